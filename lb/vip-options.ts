// Options of a VIP beyond its address: labels `ISTHMUS_<n>_<NAME>` as users write them, parsed one by one. A bad one costs itself alone.

import { compileCidrs } from '../src/runtime/index.ts';
import { parseBalance } from './policies/parse-balance.ts';
import { policyNames, type PolicyName } from './policies/policies.ts';

/** Plain JSON. An absent field: nobody said it, the configuration decides. */
export interface VipOptions {
  /** `LB`: how a backend is chosen. */
  readonly policy?: PolicyName;
  /** `DRAIN`: how long flows of a backend that is gone may go on before they are reset, in milliseconds; 0: without a limit. */
  readonly drainMs?: number;
  /** `ALLOW`: networks in CIDR notation of clients that may connect; all others are refused. */
  readonly allow?: readonly string[];
  /** `RATE`: new connections of one client (an IPv4 address or an IPv6 /64). */
  readonly rate?: VipRate;
  /** `CONNECTIONS`: open connections of one client at a time. */
  readonly connections?: number;
  /** `PROXY`: the PROXY header that backends are sent ahead of a connection's bytes. Not in the kernel plane. */
  readonly proxyProtocol?: 'v1' | 'v2';
  /** `CHECK`: how we ourselves look after the backends. */
  readonly check?: VipCheck;
}

export interface VipRate {
  readonly perSecond: number;
  /** How many at once after a pause. */
  readonly burst: number;
}

export interface VipCheck {
  readonly kind: 'tcp' | 'http' | 'udp';
  /** Of `http`. */
  readonly path?: string;
  readonly intervalMs: number;
}

export interface OptionRejection {
  readonly rejected: string;
  readonly hint: string;
}

type Parse = (text: string) => VipOptions | OptionRejection;

const leastIntervalMs = 100;
const usualIntervalMs = 5000;
/** What one timer of Node can hold. */
const longestMs = 24 * 86_400_000;

const clientKey = { by: 'client' } as const;

const parsers = {
  LB: (text) => {
    const balance = parseBalance(text);
    // Of a connection nothing is known but who makes it.
    const isHonoured = 'policy' in balance && (balance.key ?? clientKey).by === 'client';
    return isHonoured ? { policy: balance.policy } : no(`"${text}" is no policy`, `one of ${policyNames.join(', ')}`);
  },
  DRAIN: (text) => {
    const drainMs = text === 'off' || text === '0' ? 0 : durationOf(text);
    return drainMs === null ? no(`"${text}" is no duration`, 'such as 30s, 5m or off') : { drainMs };
  },
  ALLOW: parseAllow,
  RATE: parseRate,
  CONNECTIONS: (text) => {
    const connections = countOf(text);
    return connections === null ? no(`"${text}" is no count`, 'a number from 1, for each client') : { connections };
  },
  PROXY: (text) => {
    const proxyProtocol = text.toLowerCase();
    return proxyProtocol === 'v1' || proxyProtocol === 'v2'
      ? { proxyProtocol }
      : no(`"${text}" is no version of the PROXY protocol`, 'v1 or v2');
  },
  CHECK: parseCheck,
} as const satisfies Readonly<Record<string, Parse>>;

export type VipOptionName = keyof typeof parsers;

export const vipOptionNames = Object.keys(parsers) as readonly VipOptionName[];

/** `ISTHMUS_<n>_<NAME>` where NAME is an option of VIPs; null for any other key. */
export function vipOptionKey(key: string): { readonly index: number; readonly name: VipOptionName } | null {
  const [, digits, name] = /^ISTHMUS_(\d{1,4})_([A-Z]+)$/.exec(key) ?? [];
  const known = vipOptionNames.find((one) => one === name);
  return digits === undefined || known === undefined ? null : { index: Number(digits), name: known };
}

/** The one option that `text` says. */
export const parseVipOption = (name: VipOptionName, text: string): VipOptions | OptionRejection =>
  parsers[name](text.trim());

function parseAllow(text: string): VipOptions | OptionRejection {
  const allow = text
    .split(/[\s,]+/)
    .filter((network) => network !== '')
    .map((network) => network.toLowerCase());
  const [problem] = compileCidrs(allow).problems;
  if (problem !== undefined) return no(problem, 'networks with commas between, such as 10.0.0.0/8,192.168.1.7');
  return allow.length === 0 ? no('names no network', 'such as 10.0.0.0/8') : { allow };
}

/** `100/s`, `30/m`, or with `:N` behind for the burst, which is else a second's worth, 5 at least. */
function parseRate(text: string): VipOptions | OptionRejection {
  const [, number, unit, burst] = /^(\d{1,9})\/([smh])(?::(\d{1,9}))?$/.exec(text) ?? [];
  const count = Number(number ?? 0);
  if (count < 1 || burst === '0')
    return no(`"${text}" is no rate`, 'connections of one client by s, m or h, such as 100/s or 30/m:10');
  const perSecond = count / (unit === 's' ? 1 : unit === 'm' ? 60 : 3600);
  return { rate: { perSecond, burst: burst === undefined ? Math.max(5, Math.ceil(perSecond)) : Number(burst) } };
}

/** `tcp`, `udp:2s`, `http:/health`, `http:/health:10s`: what, and how often. */
function parseCheck(text: string): VipOptions | OptionRejection {
  const [, kind = '', path, interval] = /^(tcp|udp|http)(?::(\/[^\s:]*))?(?::([0-9.a-z]+))?$/.exec(text) ?? [];
  const intervalMs = interval === undefined ? usualIntervalMs : durationOf(interval);
  if (kind === '' || intervalMs === null || (path !== undefined && kind !== 'http'))
    return no(`"${text}" is no check`, 'tcp:2s, udp:5s or http:/health:10s');
  if (intervalMs < leastIntervalMs) return no('looks too often', `an interval of ${leastIntervalMs}ms or more`);
  if (kind === 'http') return { check: { kind, path: path ?? '/', intervalMs } };
  return { check: { kind: kind as 'tcp' | 'udp', intervalMs } };
}

function durationOf(text: string): number | null {
  const [, number, unit] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text) ?? [];
  if (number === undefined) return null;
  const ms = Math.round(Number(number) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }[unit as 'ms']);
  return ms >= 1 && ms <= longestMs ? ms : null;
}

function countOf(text: string): number | null {
  const count = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  return count < 1 ? null : count;
}

const no = (rejected: string, hint: string): OptionRejection => ({ rejected, hint });
