// The DNS servers of the machine: whom to ask where the configuration names nobody.

import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';

/** Addresses in the order of the file; none that is this machine itself, which may well be us. */
export function systemResolvers(
  path = '/etc/resolv.conf',
  own: readonly string[] = Object.values(networkInterfaces()).flatMap((list) =>
    (list ?? []).map(({ address }) => address),
  ),
): readonly string[] {
  const servers = readIfThere(path)
    .split('\n')
    .flatMap((line) => /^\s*nameserver\s+([0-9a-f:.]+)\s*$/i.exec(line)?.[1] ?? []);
  const isLocal = (ip: string): boolean => own.includes(ip) || /^(127\.|0\.0\.0\.0$|::1?$|fe[89ab])/i.test(ip);
  return [...new Set(servers)].filter((ip) => !isLocal(ip));
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
