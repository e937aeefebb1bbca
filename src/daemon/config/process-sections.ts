// Sections about the process rather than its traffic: `parents`, `store`, `admin`, `user`, `workers`, `log`.

import { isLoopback, logLevels, type LogLevel } from '../../runtime/index.ts';
import { authField, type ClientAuth, type ClientTls, tlsField } from './client-access.ts';
import {
  checked,
  defaulted,
  distinct,
  leaf,
  list,
  mapOf,
  nonEmpty,
  oneOf,
  optional,
  section,
  text,
  type Field,
  mapped,
} from './field.ts';
import type { FileFields } from './file-fields.ts';
import type { Address } from './host-port.ts';
import type { Secret } from './secret.ts';
import { adminLimits, adminTimeouts, type Limits, limitsOf, type Timeouts, timeoutsOf } from './traffic-limits.ts';
import { type ParentProxy, parseParentUrl } from './url.ts';
import { bytes, httpUrl, listenAddress } from './value-fields.ts';

/** Lists of parent proxies by name; the first that answers is used. */
export type ParentsConfig = Readonly<Record<string, readonly ParentProxy[]>>;

export type StoreConfig =
  | { readonly kind: 'file'; readonly dir: string }
  | {
      readonly kind: 'etcd';
      readonly endpoints: readonly string[];
      /** Begins with a slash, ends without. */
      readonly prefix: string;
      readonly auth: ClientAuth | null;
      readonly tls: ClientTls | null;
    };

export interface AdminConfig {
  readonly listen: Address;
  /** Null: no POST is allowed. */
  readonly token: Secret | null;
  readonly limits: Limits<typeof adminLimits>;
  readonly timeouts: Timeouts<typeof adminTimeouts>;
}

export interface LogConfig {
  readonly level: LogLevel;
  readonly format: 'json' | 'pretty';
}

export function parentsSection(): Field<ParentsConfig> {
  const name = (key: string): { readonly wrong: string; readonly remedy: string } | null =>
    /^[\w.-]+$/.test(key) ? null : { wrong: 'is no name for a parent', remedy: 'use letters, digits, - and _' };
  const urls = nonEmpty(list(text(parseParentUrl, 'http://HOST:PORT')), 'write ["http://px1.corp.example:8080"]');
  return mapOf(urls, name);
}

export function storeSection(files: FileFields): Field<StoreConfig> {
  const prefix = text<string>((value) =>
    /^\/[\w./-]*$/.test(value)
      ? value.replace(/\/+$/, '')
      : { wrong: 'is no prefix', remedy: 'begin with a slash, such as /isthmus' },
  );
  const anyEtcd = section({
    endpoints: nonEmpty(distinct(httpUrl), 'write ["http://127.0.0.1:2379"]'),
    prefix: defaulted(prefix, '/isthmus'),
    auth: authField(files),
    tls: tlsField(files),
  });
  const etcd = checked(anyEtcd, ['auth'], ({ auth }, fail) => {
    if (auth?.kind !== 'dcos') return;
    fail(['auth'], { wrong: 'is a way into DC/OS, not into etcd', remedy: 'write basic: { user, password }' });
  });
  const fields = section({ dir: optional(files.ownDirectory, null), etcd: optional(etcd, null) });
  const one = checked(fields, ['dir', 'etcd'], ({ dir, etcd }, fail) => {
    if (dir !== null && etcd !== null) fail([], { wrong: 'names two stores', remedy: 'keep one of dir and etcd' });
  });
  return mapped(one, ({ dir, etcd }): StoreConfig =>
    etcd === null ? { kind: 'file', dir: dir ?? '/var/lib/isthmus' } : { kind: 'etcd', ...etcd },
  );
}

export function adminSection({ secret }: FileFields): Field<AdminConfig> {
  const fields = section({
    listen: defaulted(listenAddress, '127.0.0.1:9099'),
    token: optional(secret, null),
    limits: limitsOf(adminLimits),
    timeouts: timeoutsOf(adminTimeouts),
  });
  return checked(fields, ['listen', 'token'], ({ listen, token }, fail) => {
    if (token !== null || isLoopback(listen.host)) return;
    fail(['listen'], {
      wrong: 'is an address that other machines reach, without a token',
      remedy: 'add token: "file:PATH", or listen on 127.0.0.1',
    });
  });
}

export const userField: Field<string | null> = optional(
  text<string>((value) =>
    /^[a-z_][\w.-]*\$?$/i.test(value) ? value : { wrong: 'is no user name', remedy: 'write the name of a system user' },
  ),
  null,
);

export const workersField: Field<number | 'auto'> = defaulted(
  leaf<number | 'auto'>((value) => {
    if (value === 'auto') return 'auto';
    const number = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
    const isCount = typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= 256;
    return isCount ? number : { wrong: 'is no number of workers', remedy: 'write auto, or a number from 0 to 256' };
  }),
  'auto',
);

/** Memory that a worker may have, in octets; 0: no limit; null: by the machine. */
export const workerMemoryField: Field<number | null> = optional(bytes, null);

export const logSection: Field<LogConfig> = defaulted(
  section({ level: defaulted(oneOf(...logLevels), 'info'), format: defaulted(oneOf('json', 'pretty'), 'json') }),
  {},
);
