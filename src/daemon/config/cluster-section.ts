// `cluster`: where the picture of the cluster comes from. One or more sources, merged.

import { authField, type ClientAuth, type ClientTls, tlsField } from './client-access.ts';
import {
  checked,
  checkedList,
  defaulted,
  distinct,
  list,
  nonEmpty,
  optional,
  required,
  section,
  text,
  type Field,
  word,
} from './field.ts';
import type { FileFields } from './file-fields.ts';
import { exactlyOne } from './one-kind.ts';
import { type Timeouts, timeoutsOf } from './traffic-limits.ts';
import { type Ensemble, parseZooKeeperUrl } from './url.ts';
import { bytes, httpUrl } from './value-fields.ts';

const sourceTimeouts = {
  connect: '5s',
  /** One request, the full state included. */
  request: '5m',
  /** Until a lost leader is complained of. */
  leader: '30s',
  /** Between two readings of the whole where no stream of events can be had. */
  poll: '30s',
} as const;

export interface MesosSource {
  readonly kind: 'mesos';
  readonly name: string;
  /** URLs without a slash at the end. Empty where `zookeeper` finds them. */
  readonly masters: readonly string[];
  readonly zookeeper: Ensemble | null;
  readonly auth: ClientAuth | null;
  readonly tls: ClientTls | null;
  /** The most that one record of the stream may take; the first holds the whole cluster. */
  readonly recordBytes: number;
  readonly timeouts: Timeouts<typeof sourceTimeouts>;
}

export interface MarathonSource {
  readonly kind: 'marathon';
  /** The framework that it runs as. */
  readonly name: string;
  readonly urls: readonly string[];
  readonly auth: ClientAuth | null;
  readonly tls: ClientTls | null;
  readonly timeouts: Timeouts<typeof sourceTimeouts>;
}

export interface FileSource {
  readonly kind: 'file';
  /** Absolute; watched, and may be absent for a while. */
  readonly path: string;
  /** The Marathon that wrote it, where it holds apps. */
  readonly name: string;
}

export type ClusterSource = MesosSource | MarathonSource | FileSource;

export function clusterSection(files: FileFields): Field<readonly ClusterSource[]> {
  const kinds = section({
    mesos: optional(mesos(files), null),
    marathon: optional(marathon(files), null),
    file: optional(section({ path: files.path, name: defaulted(word, 'marathon') }), null),
  });
  const source = exactlyOne(kinds, ['mesos', 'marathon', 'file']).transform(
    ({ mesos, marathon, file }): ClusterSource | null => {
      if (mesos !== null) return { kind: 'mesos', ...mesos };
      if (marathon !== null) return { kind: 'marathon', ...marathon };
      return file === null ? null : { kind: 'file', ...file };
    },
  );
  return checkedList(
    nonEmpty(list(source as Field<ClusterSource>), 'name at least one of mesos, marathon and file'),
    (sources, fail) => {
      sources.forEach((source, index) => {
        const same = (other: ClusterSource): boolean =>
          source.kind !== 'file' && other.kind === source.kind && other.name === source.name;
        if (sources.findIndex(same) < index && same(source)) {
          fail([index], {
            wrong: `is a second ${source.kind} named "${source.name}"`,
            remedy: 'give each its name, or list all addresses of one under it',
          });
        }
      });
    },
  );
}

function mesos(files: FileFields): Field<Omit<MesosSource, 'kind'>> {
  const fields = section({
    name: defaulted(word, 'mesos'),
    masters: defaulted(distinct(httpUrl), []),
    zookeeper: optional(text(parseZooKeeperUrl), null),
    auth: authField(files),
    tls: tlsField(files),
    recordBytes: defaulted(bytes, '2G'),
    timeouts: timeoutsOf(sourceTimeouts),
  });
  return checked(fields, 'all', ({ masters, zookeeper }, fail) => {
    if (masters.length > 0 || zookeeper !== null) return;
    fail([], {
      wrong: 'names no master',
      remedy: 'write masters: ["http://10.0.0.11:5050"] or zookeeper: "zk://10.0.0.11:2181/mesos"',
    });
  });
}

function marathon(files: FileFields): Field<Omit<MarathonSource, 'kind'>> {
  return section({
    name: defaulted(word, 'marathon'),
    urls: required(
      nonEmpty(distinct(httpUrl), 'write urls: ["http://10.0.0.11:8080"]'),
      'urls: ["http://10.0.0.11:8080"]',
    ),
    auth: authField(files),
    tls: tlsField(files),
    timeouts: timeoutsOf(sourceTimeouts),
  });
}
