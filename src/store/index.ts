// What must outlive a restart.

export * from './file-store.ts';
export * from './memory-store.ts';
export * from './saved-snapshot.ts';
