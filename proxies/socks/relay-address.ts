// Where BIND and UDP associations listen: at the advertised address where it is this machine's, else where the client reached us; on a port
// of the configured range.

import { canonicalIp } from '../access/index.ts';
import { codeOf } from '../../src/runtime/index.ts';
import type { Client } from './asked.ts';
import type { PortRange } from './options.ts';

export interface RelayAddress {
  /** What the client is told; never an unspecified address, which clients and translators handle badly. */
  readonly told: string;
  /** Local addresses to try in turn. */
  readonly local: readonly string[];
}

export function relayAddress({ socket, options }: Client): RelayAddress {
  const reached = canonicalIp(socket.localAddress ?? '') ?? '127.0.0.1';
  const advertise = options.advertise ?? null;
  return advertise === null
    ? { told: reached, local: [reached] }
    : { told: advertise, local: [...new Set([advertise, reached])] };
}

const mostTries = 32;

/** Calls `open` with address and port until it works. Null: there is no free port, or no such address here. */
export async function openOn<T>(
  { local }: RelayAddress,
  range: PortRange | null,
  random: () => number,
  open: (address: string, port: number) => Promise<T>,
): Promise<T | null> {
  for (const address of local) {
    for (const port of portsOf(range, random)) {
      try {
        return await open(address, port);
      } catch (error) {
        if (codeOf(error) !== 'EADDRINUSE') break;
      }
    }
  }
  return null;
}

/** Some ports of the range from a random one on; 0 is any. */
function portsOf(range: PortRange | null, random: () => number): readonly number[] {
  if (range === null) return [0];
  const size = range.last - range.first + 1;
  const start = Math.floor(random() * size);
  return Array.from({ length: Math.min(size, mostTries) }, (_, i) => range.first + ((start + i) % size));
}
