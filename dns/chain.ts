// The order in which answerers are asked: the first that takes a question answers it. The list is the whole truth; there is no other
// way to a reply.

import type { Query } from './wire/index.ts';

export interface Answerer {
  /** Name in metrics and explanations. */
  readonly name: string;
  /**
   * The reply to a well-formed question of class IN, at most `limit` octets long; a promise of it where others have to be asked, which
   * never rejects; or null: not mine, ask the next. `client` is the address that asked. Must not wait, must not throw for any input.
   */
  answer(query: Query, limit: number, client: string): Buffer | Promise<Buffer> | null;
}

export interface Answerers {
  readonly ownZone: Answerer;
  readonly renamedZones: Answerer;
  readonly privateNames: Answerer;
  readonly forwardZones: Answerer;
  readonly emptyZones: Answerer;
  readonly forwarder: Answerer;
}

/** Own zones first: no configuration can send one of their names out. */
export function answererChain({
  ownZone,
  renamedZones,
  privateNames,
  forwardZones,
  emptyZones,
  forwarder,
}: Answerers): readonly Answerer[] {
  return [ownZone, renamedZones, privateNames, forwardZones, emptyZones, forwarder];
}
