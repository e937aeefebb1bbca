// Rules of `socks` and `httpProxy`: who may reach what. First match wins, an absent key matches any, no match is a denial.

import { parseCidr } from './cidr.ts';
import {
  checked,
  defaulted,
  flag,
  leaf,
  list,
  nonEmpty,
  oneOf,
  optional,
  section,
  text,
  type Field,
  word,
  mapped,
} from './field.ts';
import { isHostName } from './host-port.ts';
import { isMistake, type Mistake } from './mistake.ts';
import { appGlob, bytes, cidr, count, duration } from './value-fields.ts';

export type RuleCommand = 'connect' | 'bind' | 'udp';

interface RuleConditions {
  readonly from?: readonly string[];
  readonly users?: readonly string[];
  readonly apps?: readonly string[];
  /** Networks, names, `*.domain`, `cluster`, `external`. */
  readonly to?: readonly string[];
  /** Ports and ranges such as `8000-8010`. */
  readonly ports?: readonly (number | string)[];
  readonly commands?: readonly RuleCommand[];
}

/** Besides those of the section; 0: none. `perClient` is of one client, all others are over all of them. */
interface RuleLimits {
  readonly connections?: number;
  readonly perClient?: number;
  readonly newPerSecond?: number;
  readonly newBurst?: number;
  readonly bytesPerSecond?: number;
  readonly connectionBytesPerSecond?: number;
}

/** In place of those of the section; 0: none. */
interface RuleTimeouts {
  readonly tunnelMs?: number;
  readonly halfClosedMs?: number;
  readonly lifetimeMs?: number;
}

/** Exactly one of `allow` and `deny`. */
export interface AccessRule {
  readonly allow?: RuleConditions;
  readonly deny?: RuleConditions;
  /** A key of `parents`. */
  readonly via?: string;
  readonly log?: 'open';
  /** Opens ranges that are always refused to what the rule names in `to`. */
  readonly unsafe?: boolean;
  /** Both of an allow rule alone. */
  readonly limits?: RuleLimits;
  readonly timeouts?: RuleTimeouts;
}

export function rulesField(): Field<readonly AccessRule[]> {
  const fields = section({
    allow: optional(conditions, null),
    deny: optional(conditions, null),
    via: optional(word, null),
    log: optional(oneOf('open'), null),
    unsafe: defaulted(flag, false),
    limits: optional(limits, null),
    timeouts: optional(timeouts, null),
  });
  const shaped = checked(fields, 'all', ({ allow, deny }, fail) => {
    if ((allow === null) !== (deny === null)) return;
    const wrong = allow === null ? 'neither allows nor denies' : 'both allows and denies';
    fail([], { wrong, remedy: 'write { allow: {…} } or { deny: {…} }, {} for any' });
  });
  const ofPermission = ['via', 'limits', 'timeouts'] as const;
  const rule = checked(
    shaped,
    ['allow', 'deny', 'unsafe', ...ofPermission],
    ({ allow, deny, unsafe, ...rest }, fail) => {
      for (const key of ofPermission)
        if (rest[key] !== null && deny !== null)
          fail([key], { wrong: 'has no meaning in a denial', remedy: 'remove it, or allow instead' });
      if (unsafe && !allow?.to)
        fail(['unsafe'], {
          wrong: 'opens nothing without allow.to',
          remedy: 'name what it opens in allow: { to: […] }',
        });
    },
  );
  return defaulted(
    list(mapped(rule, ({ unsafe, ...rest }): AccessRule => ({ ...given(rest), ...(unsafe ? { unsafe } : {}) }))),
    [],
  );
}

const conditions: Field<RuleConditions> = mapped(
  section({
    from: condition(cidr),
    users: condition(word),
    apps: condition(appGlob),
    to: condition(text(parseTarget, 'a network, a name, *.domain, cluster or external')),
    ports: condition(leaf(parsePorts, 'a port, or a range such as 8000-8010')),
    commands: condition(oneOf('connect', 'bind', 'udp')),
  }),
  given,
);

const limits: Field<RuleLimits> = mapped(
  section({
    connections: optional(count, null),
    perClient: optional(count, null),
    newPerSecond: optional(count, null),
    newBurst: optional(count, null),
    bytesPerSecond: optional(bytes, null),
    connectionBytesPerSecond: optional(bytes, null),
  }),
  given,
);

const timeouts: Field<RuleTimeouts> = mapped(
  section({
    tunnel: optional(duration, null),
    halfClosed: optional(duration, null),
    lifetime: optional(duration, null),
  }),
  ({ tunnel, halfClosed, lifetime }) => given({ tunnelMs: tunnel, halfClosedMs: halfClosed, lifetimeMs: lifetime }),
);

/** Absent is null here and absent in the end; an empty list would never match, which nobody means. */
function condition<T>(item: Field<T>): Field<readonly T[] | null> {
  return optional(nonEmpty(list(item), 'remove the key to match any', 'is empty, so the rule never matches'), null);
}

function parseTarget(value: string): string | Mistake {
  if (value === 'cluster' || value === 'external') return value;
  const network = parseCidr(value);
  if (!isMistake(network)) return network;
  if (value.includes('/') || value.includes(':')) return network;
  const name = value.endsWith('.') ? value.slice(0, -1) : value;
  if (isHostName(name.startsWith('*.') ? name.slice(2) : name)) return name.toLowerCase();
  return { wrong: 'is no destination', remedy: 'write a network, a name, *.domain, cluster or external' };
}

function parsePorts(value: unknown): number | string | Mistake {
  const [, first, last] = /^(\d{1,5})(?:\s*-\s*(\d{1,5}))?$/.exec(String(value)) ?? [];
  const [low, high] = [Number(first), Number(last ?? first)];
  if (!(low >= 1 && low <= high && high <= 65_535)) {
    return { wrong: 'is no port', remedy: 'write a number from 1 to 65535, or a range such as 8000-8010' };
  }
  return last === undefined ? low : `${low}-${high}`;
}

/** The members that are not null. */
function given<T extends object>(value: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
