// Compiles one rule of the configuration into predicates. Every problem of a rule is told. An allow rule with a problem allows nothing; a
// deny rule with one still denies what could be read of it.

import { compileCidrs, type CidrMatcher } from '../../src/runtime/index.ts';
import { parseDestination } from './destination.ts';
import type { Command, RuleConditions, RuleConfig } from './rule-config.ts';

export interface CompiledRule {
  readonly index: number;
  readonly verdict: 'allow' | 'deny';
  readonly from: CidrMatcher | null;
  readonly users: ReadonlySet<string> | null;
  readonly apps: readonly RegExp[] | null;
  readonly to: CompiledTargets | null;
  /** Two numbers a range, first and last. */
  readonly ports: Uint16Array | null;
  readonly commands: ReadonlySet<Command> | null;
  readonly via: string | null;
  readonly logsOpen: boolean;
  readonly unsafe: boolean;
}

export interface CompiledTargets {
  readonly networks: CidrMatcher;
  readonly names: ReadonlySet<string>;
  /** `.corp.example` for `*.corp.example`. */
  readonly suffixes: readonly string[];
  readonly cluster: boolean;
  readonly external: boolean;
}

/** Reads a rule; `parents`: names that `via` may say. Each problem is a line that starts with the rule's place in its list, such as `rules[2].allow.ports`. */
export function compileRule(
  config: RuleConfig,
  index: number,
  parents: ReadonlySet<string>,
  problems: string[],
): CompiledRule | null {
  const at = `rules[${index}]`;
  const verdict = 'allow' in config ? 'allow' : 'deny';
  if ('allow' in config === 'deny' in config) {
    problems.push(`${at}: write exactly one of allow and deny`);
    return null;
  }
  const conditions = config[verdict] ?? {};
  const before = problems.length;
  const rule = {
    ...compileConditions(conditions, `${at}.${verdict}`, problems),
    index,
    verdict,
    via: config.via ?? null,
    logsOpen: config.log === 'open',
    unsafe: config.unsafe ?? false,
  } as const;
  if (rule.unsafe && (rule.to === null || verdict === 'deny')) {
    problems.push(`${at}.unsafe: opens only what an allow rule names in "to"`);
  }
  // A connection that was meant to go through a parent must not go out by itself.
  if (rule.via !== null && !parents.has(rule.via)) problems.push(`${at}.via: there are no parents of this name`);
  return problems.length === before ? rule : withoutProblems(rule);
}

/** A rule with an unreadable condition must not become wider by it: an allow rule goes, a deny rule stays. */
const withoutProblems = (rule: CompiledRule): CompiledRule | null => (rule.verdict === 'allow' ? null : rule);

type Conditions = Pick<CompiledRule, 'from' | 'users' | 'apps' | 'to' | 'ports' | 'commands'>;

function compileConditions(conditions: RuleConditions, at: string, problems: string[]): Conditions {
  const { from, users, apps, to, ports, commands } = conditions;
  return {
    from: from === undefined ? null : networksOf(from, `${at}.from`, problems),
    users: users === undefined ? null : new Set(users),
    apps: apps === undefined ? null : apps.map(globOf),
    to: to === undefined ? null : targetsOf(to, `${at}.to`, problems),
    ports: ports === undefined ? null : portsOf(ports, `${at}.ports`, problems),
    commands: commands === undefined ? null : new Set(commands),
  };
}

function networksOf(texts: readonly string[], at: string, problems: string[]): CidrMatcher {
  const compiled = compileCidrs(texts);
  for (const problem of compiled.problems) problems.push(`${at}: ${problem}`);
  return compiled.matcher;
}

function targetsOf(texts: readonly string[], at: string, problems: string[]): CompiledTargets {
  const networks: string[] = [];
  const names = new Set<string>();
  const suffixes: string[] = [];
  for (const text of texts) {
    if (text === 'cluster' || text === 'external') continue;
    const isWildcard = text.startsWith('*.');
    const destination = text.includes('/') ? null : parseDestination(isWildcard ? text.slice(2) : text);
    if (destination === null || ('kind' in destination && destination.kind === 'ip' && !isWildcard))
      networks.push(text);
    else if ('rejected' in destination || destination.kind === 'ip')
      problems.push(`${at}: "${text}" is no network and no name`);
    else if (isWildcard) suffixes.push(`.${destination.name}`);
    else names.add(destination.name);
  }
  const cluster = texts.includes('cluster');
  const external = texts.includes('external');
  return { networks: networksOf(networks, at, problems), names, suffixes, cluster, external };
}

function portsOf(texts: readonly (number | string)[], at: string, problems: string[]): Uint16Array {
  const ranges: number[] = [];
  for (const text of texts) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(String(text));
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (first >= 1 && first <= last && last <= 65535) ranges.push(first, last);
    else problems.push(`${at}: "${text}" is no port; write a number from 1 to 65535, or a range such as 8000-8010`);
  }
  return Uint16Array.from(ranges);
}

/** `/team/**` is everything below /team, `/team/*` what is directly below it. */
function globOf(text: string): RegExp {
  const pattern = text.replaceAll(/\*\*|\*|[^*]+/g, (piece) => {
    if (piece === '**') return '.*';
    return piece === '*' ? '[^/]*' : piece.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${pattern}$`);
}
