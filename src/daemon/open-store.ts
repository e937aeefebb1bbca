// What outlives a restart, where the configuration puts it.

import { hostname } from 'node:os';
import type { Store } from '../ports/index.ts';
import type { Clock } from '../runtime/index.ts';
import { createEtcdClient, createEtcdStore, createFileStore, scopedStore, type EtcdAuth } from '../store/index.ts';
import type { ClientAuth, StoreConfig } from './config/index.ts';
import { sourceTls } from './options-of.ts';

export interface OpenedStore {
  /** What edges that share a store agree on. */
  readonly shared: Store;
  /** What is this edge's alone. */
  readonly own: Store;
}

/** Null: nothing is kept. Throws the system's error where a file of `tls` is gone since the check. */
export function openStore(config: StoreConfig | null, clock: Clock): OpenedStore | null {
  if (config === null) return null;
  if (config.kind === 'file') {
    const store = createFileStore(config.dir);
    return { shared: store, own: store };
  }
  const { endpoints, prefix } = config;
  const client = createEtcdClient({ endpoints, auth: authOf(config.auth), tls: sourceTls(config.tls) }, clock);
  const shared = createEtcdStore({ client, prefix, clock });
  return { shared, own: scopedStore(shared, `edges/${edgeName()}`) };
}

function authOf(auth: ClientAuth | null): EtcdAuth | undefined {
  if (auth?.kind === 'basic') return { user: auth.user, password: auth.password.reveal() };
  return auth?.kind === 'token' ? { token: auth.token.reveal() } : undefined;
}

/** This machine's name as a piece of a key. */
const edgeName = (): string =>
  `edge-${hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]/g, '-')}`;
