// Reverse names: which address belongs to which agent, task or VIP (RFC 1035 §3.5, RFC 3596 §2.5).

import { isIPv4, type Agent, type Task } from '../../src/cluster/index.ts';
import { addressOctets, isName, lowerCase } from '../wire/index.ts';
import type { Contributions } from './contribution.ts';
import { lineOf } from './record-text.ts';
import type { ZoneSettings } from './options.ts';
import { reverseZones } from '../zones.ts';

/** `7.0.0.10.in-addr.arpa.`, or nibbles below `ip6.arpa.`; null if `ip` is no address. */
function reverseName(ip: string): string | null {
  if (isIPv4(ip)) {
    const [a, b, c, d] = ip.split('.');
    return `${d}.${c}.${b}.${a}.${reverseZones.ip4}`;
  }
  const octets = addressOctets(ip);
  if (octets === null) return null;
  return `${[...octets.toString('hex')].reverse().join('.')}.${reverseZones.ip6}`;
}

export function pointers(ips: readonly string[], target: string, ttl: number): Contributions {
  if (ips.length === 0 || !isName(target)) return [];
  const line = lineOf({ type: 'PTR', ttl, target });
  return ips.flatMap((ip) => {
    const name = reverseName(ip);
    return name === null ? [] : [name, line];
  });
}

/** An agent's addresses point to its host name where it has one, else to the name of all agents. */
export function agentPointers(agent: Agent, ips: readonly string[], settings: ZoneSettings): Contributions {
  const hostname = lowerCase(agent.hostname.replace(/\.$/, ''));
  const isHostname = /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?$/.test(hostname) && addressOctets(hostname) === null;
  return pointers(ips, isHostname ? `${hostname}.` : `slave.${settings.zone}`, settings.ttl);
}

/** Addresses that a task has to itself point to its own name; those of its agent are the agent's. */
export function taskPointers(task: Task, target: string, settings: ZoneSettings): Contributions {
  if (task.addresses.length === 0) return [];
  const own = task.addresses.map(({ ip }) => ip).filter((ip) => ip !== task.agentIp && !task.agentIps.includes(ip));
  if (own.length === 0) return [];
  return pointers(own, target, settings.ttl);
}
