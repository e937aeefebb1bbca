// Tells our own listeners from upstreams: a question sent to one of them would come back to us for ever.

import { networkInterfaces } from 'node:os';
import { canonicalAddress } from '../wire/index.ts';

/** Whether `ip`:`port` is one of `listeners`; a wildcard listener is at every address of the machine, loopback's whole range included. */
export function createLoopGuard(
  listeners: readonly { readonly address: string; readonly port: number }[],
): (ip: string, port: number) => boolean {
  const own = new Set(listeners.map(({ address, port }) => `${canonicalAddress(address) ?? address} ${port}`));
  const wild = new Set(listeners.filter(({ address }) => isWildcard(address)).map(({ port }) => port));
  const local = new Set(wild.size === 0 ? [] : machineAddresses());
  return (ip, port) => {
    const address = canonicalAddress(ip) ?? ip;
    return (
      own.has(`${address} ${port}`) ||
      (wild.has(port) && (isWildcard(address) || isLoopback(address) || local.has(address)))
    );
  };
}

const isWildcard = (address: string): boolean => address === '0.0.0.0' || address === '::';
const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

function machineAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).flatMap(({ address }) => canonicalAddress(address) ?? []),
  );
}
