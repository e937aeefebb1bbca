// What must outlive a restart.

export * from './etcd-client.ts';
export * from './etcd-store.ts';
export * from './file-store.ts';
export * from './memory-store.ts';
export * from './saved-snapshot.ts';
export * from './scoped-store.ts';
export * from './snapshot-saver.ts';
