// The one function that says who may reach what, for SOCKS and the HTTP proxy alike: ordered rules, first match wins, none is a denial.

import type { Destination } from './destination.ts';
import { isGlobal, isRefusedRange, type LoopCheck } from './ranges.ts';
import { compileRule, type CompiledRule, type CompiledTargets } from './rule-compile.ts';
import type { Command, RuleConfig } from './rule-config.ts';

export interface AccessRequest {
  /** Canonical address of the client. */
  readonly client: string;
  /** Who the client proved to be; null: nobody asked. */
  readonly user: string | null;
  readonly command: Command;
  readonly destination: Destination;
  readonly port: number;
  /**
   * One address of the destination, canonical, as resolved or as asked for; null before the name is resolved: then the verdict is `allow`
   * where some address could be allowed, so that a denied name is never looked up.
   */
  readonly ip: string | null;
  /** Whether the name is of an own zone, whose addresses are ours to give; known before the name is resolved. */
  readonly own: boolean;
  /** Names that the destination's stands for, once it is resolved: what denies one of them denies it. */
  readonly aliases?: readonly string[];
  /** Ports that an allow rule without `ports` stands for outside the cluster (CONNECT: 443); null: any. */
  readonly defaultPort: number | null;
}

/** `rebind`: the name leads inside, and no rule says that it may. `range`: an address that is always refused. `loop`: our own listener. */
export type DenialReason = 'denied' | 'rebind' | 'range' | 'loop';

export interface Verdict {
  readonly verdict: 'allow' | 'deny';
  /** The rule that decided, by its place in the list; null: none did. */
  readonly rule: number | null;
  readonly reason: DenialReason | null;
  /** Name of the parent list that the connection goes through; null: direct. */
  readonly via: string | null;
  /** With `via`, before the name is resolved: no address could change the verdict, so the parent may be given the name. Absent: false. */
  readonly byName?: boolean;
  readonly logsOpen: boolean;
}

/** What rules know of the cluster. */
export interface ClusterKnowledge {
  isCluster(ip: string, port: number): boolean;
  /** App ids of the tasks that have the address for themselves. */
  appsOf(ip: string): readonly string[];
}

export interface Rules {
  judge(request: AccessRequest): Verdict;
  /** Whether some rule allows the command to this client, wherever it leads: for commands whose destination comes later. */
  mayUse(asking: Pick<AccessRequest, 'client' | 'user' | 'command'>): boolean;
  /** One line for each thing in the configuration that could not be read. */
  readonly problems: readonly string[];
}

export interface RulesOptions {
  readonly rules: readonly RuleConfig[];
  /** Names of lists of parents. */
  readonly parents?: ReadonlySet<string>;
  readonly cluster: ClusterKnowledge;
  readonly isLoop: LoopCheck;
}

/** Compiles the list once. Without rules every verdict is a denial: there is no open proxy by default. */
export function createRules(options: RulesOptions): Rules {
  const problems: string[] = [];
  const rules = options.rules
    .map((config, index) => compileRule(config, index, options.parents ?? noParents, problems))
    .filter((rule) => rule !== null);
  return {
    problems,
    judge: (request) => judge(rules, request, options),
    mayUse: (asking) => {
      const apps = options.cluster.appsOf(asking.client);
      return rules.some((rule) => rule.verdict === 'allow' && matchesClient(rule, asking, apps));
    },
  };
}

const noParents: ReadonlySet<string> = new Set();

type Match = 'yes' | 'maybe' | Exclude<DenialReason, 'loop'>;

function judge(rules: readonly CompiledRule[], request: AccessRequest, options: RulesOptions): Verdict {
  const { ip, port } = request;
  if (ip !== null && options.isLoop(ip, port)) return denial('loop', null);
  const facts = factsOf(request, options.cluster);
  let reason: DenialReason = 'denied';
  // Whether no rule before this one could have decided by an address.
  let isSettled = true;
  for (const rule of rules) {
    if (!matchesClient(rule, request, facts.apps)) continue;
    const match = rule.verdict === 'deny' ? matchDenial(rule, request, facts) : matchPermission(rule, request, facts);
    if (match === 'yes' || (match === 'maybe' && rule.verdict === 'allow'))
      return verdictOf(rule, isSettled && decidesByName(rule, request));
    if (match === 'maybe') isSettled = false;
    if (match === 'rebind' || match === 'range') reason = match;
  }
  return denial(reason, null);
}

/** What is true of the address, looked up once for all rules. */
interface Facts {
  readonly apps: readonly string[];
  readonly isCluster: boolean;
  readonly isRefused: boolean;
  readonly isGlobal: boolean;
}

function factsOf({ client, ip, port }: AccessRequest, cluster: ClusterKnowledge): Facts {
  const apps = cluster.appsOf(client);
  if (ip === null) return { apps, isCluster: false, isRefused: false, isGlobal: false };
  const isCluster = cluster.isCluster(ip, port);
  return { apps, isCluster, isRefused: !isCluster && isRefusedRange(ip), isGlobal: !isCluster && isGlobal(ip) };
}

function matchesClient(
  rule: CompiledRule,
  request: Pick<AccessRequest, 'client' | 'user' | 'command'>,
  apps: readonly string[],
): boolean {
  if (rule.from !== null && !rule.from.has(request.client)) return false;
  if (rule.users !== null && (request.user === null || !rule.users.has(request.user))) return false;
  if (rule.commands !== null && !rule.commands.has(request.command)) return false;
  return rule.apps === null || matchesApps(rule, apps);
}

/** An address with tasks of several apps is allowed only what each of them is, and denied what one of them is. */
function matchesApps({ apps: globs, verdict }: CompiledRule, apps: readonly string[]): boolean {
  const matches = (app: string): boolean => globs?.some((glob) => glob.test(app)) ?? true;
  return verdict === 'deny' ? apps.some(matches) : apps.length > 0 && apps.every(matches);
}

function matchDenial(rule: CompiledRule, request: AccessRequest, facts: Facts): Match {
  if (rule.ports !== null && !holdsPort(rule.ports, request.port)) return 'denied';
  if (rule.to === null || names(rule.to, request.destination) !== null) return 'yes';
  const { to } = rule;
  if (request.aliases?.some((name) => names(to, { kind: 'name', name }) !== null) === true) return 'yes';
  if (request.ip === null) return 'maybe';
  return holdsAddress(rule.to, request.ip, facts) ? 'yes' : 'denied';
}

function matchPermission(rule: CompiledRule, request: AccessRequest, facts: Facts): Match {
  const { ip, port } = request;
  if (rule.ports !== null && !holdsPort(rule.ports, port)) return 'denied';
  const isDefault = rule.ports !== null || request.defaultPort === null || request.defaultPort === port;
  if (ip === null) return couldMatch(rule.to, request) ? 'maybe' : 'denied';
  if (!isDefault && !facts.isCluster) return 'denied';
  return rule.to === null
    ? facts.isRefused
      ? 'range'
      : 'yes'
    : matchTargets(rule.to, rule.unsafe, request, ip, facts);
}

function matchTargets(to: CompiledTargets, unsafe: boolean, request: AccessRequest, ip: string, facts: Facts): Match {
  if (to.networks.has(ip)) return facts.isRefused && !unsafe ? 'range' : 'yes';
  if (to.external && facts.isGlobal) return 'yes';
  // A foreign name that leads into the cluster makes its owner the cluster's neighbour in every browser behind this proxy.
  const isForeign = request.destination.kind === 'name' && !request.own;
  if (to.cluster && facts.isCluster && !isForeign) return 'yes';
  const named = names(to, request.destination);
  if (named === null) return to.cluster && facts.isCluster ? 'rebind' : 'denied';
  if (unsafe) return 'yes';
  if (facts.isRefused) return 'range';
  // Whoever runs a domain decides where its names lead; a rule that spells out one name has been written for that place.
  return named === 'suffix' && isForeign && !facts.isGlobal ? 'rebind' : 'yes';
}

/** Before the name is resolved: whether its name is listed, or an address of it could be. */
const couldMatch = (to: CompiledTargets | null, { destination, own }: AccessRequest): boolean =>
  to === null || (to.cluster && own) || to.external || to.networks.size > 0 || names(to, destination) !== null;

/** Where a parent looks a foreign name up, it is outside: what that leads to is in the parent's network, not in ours. */
function decidesByName(rule: CompiledRule, request: AccessRequest): boolean {
  const { ip, own, destination, defaultPort, port } = request;
  if (rule.via === null || ip !== null || own || destination.kind === 'ip') return false;
  if (rule.ports === null && defaultPort !== null && defaultPort !== port) return false;
  return rule.to === null || rule.to.external || names(rule.to, destination) !== null;
}

function names(to: CompiledTargets, destination: Destination): 'name' | 'suffix' | null {
  if (destination.kind === 'ip') return null;
  if (to.names.has(destination.name)) return 'name';
  return to.suffixes.some((suffix) => destination.name.endsWith(suffix)) ? 'suffix' : null;
}

const holdsAddress = (to: CompiledTargets, ip: string, facts: Facts): boolean =>
  to.networks.has(ip) || (to.cluster && facts.isCluster) || (to.external && facts.isGlobal);

function holdsPort(ranges: Uint16Array, port: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) {
    if (port >= (ranges[i] as number) && port <= (ranges[i + 1] as number)) return true;
  }
  return false;
}

const verdictOf = (rule: CompiledRule, byName: boolean): Verdict => ({
  verdict: rule.verdict,
  rule: rule.index,
  reason: rule.verdict === 'deny' ? 'denied' : null,
  via: rule.via,
  byName,
  logsOpen: rule.logsOpen,
});

const denial = (reason: DenialReason, rule: number | null): Verdict => ({
  verdict: 'deny',
  rule,
  reason,
  via: null,
  byName: false,
  logsOpen: false,
});
