// Masters by address: those of the configuration in their order, and the leader among them.

import type { MasterAddress, Masters } from '../../cluster/index.ts';
import { isIp } from './fields.ts';

const defaultPorts: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 };

/** Address of a master's URL; null where it is written by name. */
export function addressOfUrl(url: URL): MasterAddress | null {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return isIp(host)
    ? { ip: host, port: url.port === '' ? (defaultPorts[url.protocol] ?? 80) : Number(url.port) }
    : null;
}

export function mastersOf(urls: readonly URL[], leader: MasterAddress | null): Masters {
  const all = urls.map(addressOfUrl).filter((address) => address !== null);
  const isListed = leader === null || all.some((one) => one.ip === leader.ip && one.port === leader.port);
  if (leader !== null && !isListed) all.push(leader);
  return Object.freeze({ leader, all: Object.freeze(all) });
}
