// The static part of the ruleset: maps and sets that VIPs are elements of, and a constant number of chains and rules over them. Loaded
// once; a change of a VIP never touches it (specs/l4lb.md §8). Its name carries a hash of its text, so that a program with another
// layout knows that it has to load its own.

import { createHash } from 'node:crypto';

/** `inet` table that is the daemon's own. */
export const tableName = 'isthmus';

/** Numbers of slots for which there is a picker chain: every small one, so that few backends share evenly, and powers of two. */
export const pickerSizes: readonly number[] = [
  ...Array.from({ length: 64 }, (_, i) => i + 1),
  ...[128, 256, 512, 1024, 2048, 4096],
];

/** Sizes of pickers that choose by the client's address: primes, for tables in which each backend holds about its share. */
export const stickySizes: readonly number[] = [31, 61, 127, 251, 509, 1021];

export interface AddressRanges {
  /** `FIRST-LAST` of the range that names of VIPs are given addresses from; all of it is refused where no VIP is. */
  readonly range: string;
  readonly range6: string;
}

interface Chain {
  readonly name: string;
  /** Hook and priority of a base chain. */
  readonly base?: string;
  readonly rules: readonly string[];
}

interface SetShape {
  readonly kind: 'map' | 'set';
  readonly name: string;
  readonly spec: string;
}

export interface Layout {
  /** Chain without rules that names the layout in the kernel. */
  readonly mark: string;
  /** The table as `nft -f` reads it. */
  readonly text: string;
  /** Number of rules of each chain: what of a table that somebody else changed can be seen cheaply. */
  readonly rules: ReadonlyMap<string, number>;
}

export function layoutOf(ranges: AddressRanges): Layout {
  const shapes = [...setsOf('4', ranges.range), ...setsOf('6', ranges.range6), ...sharedSets];
  const chains = allChains();
  const body = [...shapes.map(printSet), ...chains.map(printChain)].join('\n');
  const mark = `layout-${createHash('sha256').update(body).digest('hex').slice(0, 12)}`;
  return {
    mark,
    text: `table inet ${tableName} {\n${body}\n  chain ${mark} { }\n}\n`,
    rules: new Map([...chains.map(({ name, rules }) => [name, rules.length] as const), [mark, 0]]),
  };
}

/** Takes the place of whatever table of the name there is, without a moment in which connections are not translated. */
export const deleteTable = `table inet ${tableName}\ndelete table inet ${tableName}\n`;

type Digit = '4' | '6';

const ip = (digit: Digit): string => (digit === '4' ? 'ip' : 'ip6');
const target = (digit: Digit): string => `${ip(digit)} daddr . meta l4proto . th dport`;

function setsOf(digit: Digit, range: string): readonly SetShape[] {
  const key = `ipv${digit}_addr . inet_proto . inet_service`;
  const slot = `typeof ${target(digit)} . numgen random mod 2 : ${ip(digit)} daddr . th dport`;
  return [
    { kind: 'map', name: `svc${digit}`, spec: `type ${key} : verdict; counter` },
    { kind: 'map', name: `be${digit}`, spec: `${slot}; counter` },
    { kind: 'set', name: `dead${digit}`, spec: `type ${key}; counter` },
    { kind: 'map', name: `lim${digit}`, spec: `type ${key} : verdict` },
    { kind: 'set', name: `guarded${digit}`, spec: `type ${key}` },
    { kind: 'set', name: `allow${digit}`, spec: `type ${key} . ipv${digit}_addr; flags interval` },
    { kind: 'set', name: `addr${digit}`, spec: `type ipv${digit}_addr` },
    { kind: 'set', name: `own${digit}`, spec: `type ipv${digit}_addr` },
    { kind: 'set', name: `self${digit}`, spec: `type ipv${digit}_addr . ipv${digit}_addr` },
    { kind: 'set', name: `range${digit}`, spec: `type ipv${digit}_addr; flags interval; elements = { ${range} }` },
  ];
}

const sharedSets: readonly SetShape[] = [
  { kind: 'set', name: 'pairs', spec: 'type ifname . ifname' },
  { kind: 'set', name: 'inside', spec: 'type ifname' },
];

function allChains(): readonly Chain[] {
  const both = (rule: (digit: Digit) => string): readonly string[] => [rule('4'), rule('6')];
  return [
    { name: 'refuse', rules: ['meta l4proto tcp reject with tcp reset', 'reject'] },
    {
      name: 'guard',
      rules: [
        ...both((digit) => `${target(digit)} @dead${digit} goto refuse`),
        ...both((digit) => {
          const isStranger = `${target(digit)} . ${ip(digit)} saddr != @allow${digit}`;
          return `${target(digit)} @guarded${digit} ${isStranger} goto refuse`;
        }),
        ...both((digit) => `${target(digit)} vmap @lim${digit}`),
      ],
    },
    {
      // An address of the machine's own must stay reachable, whatever range and labels say.
      name: 'undefined',
      rules: [
        ...both((digit) => `${ip(digit)} daddr @own${digit} return`),
        ...both((digit) => `${ip(digit)} daddr @addr${digit} goto refuse`),
        ...both((digit) => `${ip(digit)} daddr @range${digit} goto refuse`),
      ],
    },
    filter('f-pre', 'prerouting', -110, 'guard'),
    filter('f-out', 'output', -110, 'guard'),
    // After the translation: what still goes to a VIP's address has no such port.
    filter('f-out2', 'output', -90, 'undefined'),
    filter('f-fwd', 'forward', 0, 'undefined'),
    filter('f-in', 'input', 0, 'undefined'),
    ...pickers('4'),
    ...pickers('6'),
    // Before iptables' own at -100: a port mapping for "destination is local" must not take a VIP.
    nat(
      'n-pre',
      'prerouting',
      -105,
      both((digit) => `${target(digit)} vmap @svc${digit}`),
    ),
    nat(
      'n-out',
      'output',
      -105,
      both((digit) => `${target(digit)} vmap @svc${digit}`),
    ),
    masquerade,
    nat(
      'n-post',
      'postrouting',
      95,
      both((digit) => `ct status dnat ct original ${ip(digit)} daddr @addr${digit} jump masq`),
    ),
  ];
}

/**
 * Where the answer would not come back by this machine. A backend or a client behind one of its inner bridges answers through it, so the
 * client's address is kept; the client itself as backend, a neighbour on the same link and a stranger's way to another machine do not.
 */
const masquerade: Chain = {
  name: 'masq',
  rules: [
    'ip saddr . ip daddr @self4 masquerade',
    'ip6 saddr . ip6 daddr @self6 masquerade',
    'fib saddr type local masquerade',
    'iifname . oifname @pairs masquerade',
    'iifname @inside return',
    'oifname @inside return',
    'masquerade',
  ],
};

function pickers(digit: Digit): readonly Chain[] {
  const chain = (name: string, choice: string): Chain => ({
    name,
    rules: [`dnat ${ip(digit)} to ${target(digit)} . ${choice} map @be${digit}`],
  });
  return [
    ...pickerSizes.map((size) => chain(pickerName(digit, size), `numgen random mod ${size}`)),
    ...stickySizes.map((size) => chain(stickyName(digit, size), `jhash ${ip(digit)} saddr mod ${size} seed 0x6c34`)),
  ];
}

export const pickerName = (family: Digit | 4 | 6, size: number): string => `r${family}-${size}`;
export const stickyName = (family: Digit | 4 | 6, size: number): string => `h${family}-${size}`;

const filter = (name: string, hook: string, priority: number, jump: string): Chain => ({
  name,
  base: `type filter hook ${hook} priority ${priority}; policy accept`,
  rules: [`ct state new jump ${jump}`],
});

const nat = (name: string, hook: string, priority: number, rules: readonly string[]): Chain => ({
  name,
  base: `type nat hook ${hook} priority ${priority}; policy accept`,
  rules,
});

const printSet = ({ kind, name, spec }: SetShape): string => `  ${kind} ${name} { ${spec}; }`;

/** One rule a line: nft 1.0.6 wants an end of line or `;` before the brace. */
function printChain({ name, base, rules }: Chain): string {
  const lines = [...(base === undefined ? [] : [`${base};`]), ...rules];
  return `  chain ${name} {\n${lines.map((line) => `    ${line}\n`).join('')}  }`;
}
