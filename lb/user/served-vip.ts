// What a connection or datagram needs to know of the VIP that it came to. Its owner replaces the parts as the table changes.

import type { Picker } from '../../src/ports/index.ts';
import type { Cell } from '../../src/runtime/index.ts';
import type { VipFlows } from './vip-flows.ts';
import type { VipGate } from './vip-gate.ts';

export interface ServedVip {
  picker: Picker;
  /** Null: everybody may connect. */
  gate: VipGate | null;
  proxyProtocol: 'v1' | 'v2' | null;
  /** 32 bits: the client's own where the policy binds clients to backends, random elsewhere. */
  hashOf: (client: string) => number;
  /** Whether `hashOf` looks at its client. */
  hashesClients: boolean;
  connections: Cell;
  readonly flows: VipFlows;
}
