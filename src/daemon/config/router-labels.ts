// `router.marathonLb` and `router.traefik`: the options of the two routers whose labels are read, under their own names.

import { checked, defaulted, flag, list, oneOf, optional, section, text, type Field, word } from './field.ts';
import type { FileFields } from './file-fields.ts';
import { port } from './value-fields.ts';

/** specs/l7.md §1; `groupHttpsByVhost` has an effect with `labels: reference` alone. */
export interface MarathonLbOptions {
  readonly strictMode: boolean;
  readonly healthCheck: boolean;
  /** Files or folders, absolute. */
  readonly sslCerts: readonly string[];
  readonly dontBindHttpHttps: boolean;
  /** Range that apps with an address per task and no service port are given one from. */
  readonly minServPortIpPerTask: number;
  readonly maxServPortIpPerTask: number;
  readonly haproxyMap: boolean;
  readonly groupHttpsByVhost: boolean;
  /** A vhost whose ACL templates are not understood is published without them. */
  readonly allowUnsafeTemplates: boolean;
}

/** specs/l7.md §2.3. */
export interface TraefikOptions {
  readonly domain: string;
  readonly exposedByDefault: boolean;
  /** Such as `tag==api`, all of which must hold. */
  readonly constraints: readonly string[];
  readonly groupsAsSubDomains: boolean;
  readonly marathonLBCompatibility: boolean;
  readonly filterMarathonConstraints: boolean;
  readonly forceTaskHostname: boolean;
  readonly respectReadinessChecks: boolean;
  readonly ipSources: readonly ('host' | 'netinfo' | 'mesos' | 'docker')[];
  readonly defaultEntryPoints: readonly string[];
}

export function marathonLbField({ path }: FileFields): Field<MarathonLbOptions> {
  const fields = section({
    strictMode: defaulted(flag, false),
    healthCheck: defaulted(flag, true),
    sslCerts: defaulted(list(path), []),
    dontBindHttpHttps: defaulted(flag, false),
    minServPortIpPerTask: defaulted(port, 10_050),
    maxServPortIpPerTask: defaulted(port, 10_100),
    haproxyMap: defaulted(flag, false),
    groupHttpsByVhost: defaulted(flag, false),
    allowUnsafeTemplates: defaulted(flag, false),
  });
  const ordered = checked(
    fields,
    ['minServPortIpPerTask', 'maxServPortIpPerTask'],
    ({ minServPortIpPerTask, maxServPortIpPerTask }, fail) => {
      if (minServPortIpPerTask < maxServPortIpPerTask) return;
      fail(['maxServPortIpPerTask'], { wrong: 'is not above minServPortIpPerTask', remedy: 'write a higher port' });
    },
  );
  return defaulted(ordered, {});
}

export function traefikField(): Field<TraefikOptions | null> {
  const fields = section({
    domain: defaulted(
      text<string>((value) => value.toLowerCase()),
      '',
    ),
    exposedByDefault: defaulted(flag, false),
    constraints: defaulted(list(constraint), []),
    groupsAsSubDomains: defaulted(flag, false),
    marathonLBCompatibility: defaulted(flag, false),
    filterMarathonConstraints: defaulted(flag, false),
    forceTaskHostname: defaulted(flag, false),
    respectReadinessChecks: defaulted(flag, false),
    ipSources: defaulted(list(oneOf('host', 'netinfo', 'mesos', 'docker')), ['host']),
    defaultEntryPoints: defaulted(list(word), ['http']),
  });
  return optional(fields, null);
}

const constraint: Field<string> = text<string>(
  (value) =>
    /^\w+\s*(==|!=)\s*\S.*$/.test(value)
      ? value
      : { wrong: 'is no constraint', remedy: 'write tag==VALUE or tag!=VALUE, * for any text' },
  'tag==VALUE',
);
