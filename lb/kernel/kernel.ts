// The door to the kernel: what the plane asks of nftables. `nft.ts` goes through it for real, tests bring a kernel of their own.

import type { Elements } from './elements.ts';

/** The daemon's table as the kernel has it. */
export interface HeldTable {
  readonly elements: Elements;
  /** Chains and the number of their rules. */
  readonly rules: ReadonlyMap<string, number>;
  /** Packets that met an element since it was added, by `SET KEY`: of a slot or a dead VIP, new flows. */
  readonly counts: ReadonlyMap<string, number>;
}

export interface Kernel {
  /** Null: there is no such table. Rejects with an IsthmusError where it cannot be read. */
  read(): Promise<HeldTable | null>;
  /** All of `text` (commands as of `nft -f`) or nothing: rejects with an IsthmusError that says why. */
  transact(text: string): Promise<void>;
  /** Calls `onGone` whenever somebody, ourselves included, took a table away; `onEnd` once when it can do so no more. */
  watch(onGone: () => void, onEnd: () => void): { close(): void };
}
