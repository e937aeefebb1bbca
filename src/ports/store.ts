// Port: what must outlive a restart, or be agreed between edges: the last snapshot, VIP addresses, certificates, ACME accounts.

export interface Store {
  /** How often a large value may be replaced, where that costs others; absent: as often as one likes. */
  readonly largeEveryMs?: number;
  /** The value as last written whole, or null. Rejects only when the store itself cannot be reached. */
  read(key: string): Promise<Uint8Array | null>;
  /** Atomic: a reader sees the old value or the new one, also after a crash. */
  write(key: string, value: Uint8Array): Promise<void>;
  /** Writes only if the value is still `expected` (null: absent). False: somebody else was first; read again. */
  compareAndSet(key: string, expected: Uint8Array | null, value: Uint8Array | null): Promise<boolean>;
  /** Keys that start with `prefix`, sorted. */
  list(prefix: string): Promise<readonly string[]>;
}
