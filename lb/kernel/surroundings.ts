// What of the machine the rules depend on: its own addresses, and which of its interfaces lead to its own containers alone.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { canonicalIp } from '../ip-number.ts';
import type { Surroundings } from './ruleset.ts';

const sysfs = '/sys/class/net';

/** Read anew at each call; an interface that vanishes meanwhile is left out. `/sys` has to be that of this network namespace. */
export function readSurroundings(): Surroundings {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const own = new Set(addresses.map(({ address }) => canonicalIp(address)));
  const names = listed(sysfs).filter((name) => name !== 'lo' && !name.includes('"'));
  const uplinks = defaultRoutes();
  const inside = names.filter((name) => !uplinks.has(name) && isBridge(name) && !hasHardware(name));
  return { own, interfaces: names.sort(), inside: inside.sort() };
}

const isBridge = (name: string): boolean => existsSync(join(sysfs, name, 'bridge'));

/** A network card as a port: the bridge is the way out, as on hosts of virtual machines. */
const hasHardware = (name: string): boolean =>
  listed(join(sysfs, name, 'brif')).some((port) => existsSync(join(sysfs, port, 'device')));

/** Interfaces that a default route of either family leaves by. */
function defaultRoutes(): ReadonlySet<string> {
  const four = rows('/proc/net/route').filter(([, to, , , , , , mask]) => to === '00000000' && mask === '00000000');
  const six = rows('/proc/net/ipv6_route').filter(([to, length]) => /^0{32}$/.test(to ?? '') && length === '00');
  return new Set([...four.map(([name]) => name ?? ''), ...six.map((row) => row.at(-1) ?? '')]);
}

function rows(path: string): readonly (readonly string[])[] {
  try {
    const lines = readFileSync(path, 'utf8').split('\n');
    return lines.map((line) => line.trim().split(/\s+/));
  } catch {
    return [];
  }
}

function listed(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
