// The traefik.* labels of one app as records: a frontend and a backend for the app, or for each of its segments (specs/l7.md §2).

import { addressOfAppPort, backendKey, fitness, isServing, makeBackend } from '../../../src/cluster/index.ts';
import type { App, Task } from '../../../src/cluster/index.ts';
import { isRejection } from '../label-values.ts';
import { placement } from '../precedence.ts';
import type { RouteEntry, RouteTarget } from '../route-record.ts';
import { mayClaim } from './host-authority.ts';
import { LabelReader } from './label-reader.ts';
import type { ClaimedRecord, LabelClaims, LabelRules, NamedBackend, SetPlan, TraefikRules } from './label-rules.ts';
import { routeId } from './marathon-lb.ts';
import { traefikService } from './traefik-backend.ts';
import { traefikOptions } from './traefik-frontend.ts';
import { discoveryNameOf, mesosBackendName, mesosFrontendName, mesosPlan } from './traefik-mesos.ts';
import { segmentsOf, TraefikLabels } from './traefik-labels.ts';
import { reviewTraefikNames } from './traefik-review.ts';
import {
  backendNameOf,
  firstPorts,
  frontendNameOf,
  meetsConstraints,
  mesosSubDomain,
  portOf,
  ruleOf,
  serverNameOf,
  subDomain,
} from './traefik-names.ts';
import { parseTraefikRule, type TraefikRule } from './traefik-rule.ts';

const nothing: LabelClaims = { records: [], plans: [], diagnostics: [] };

export const traefikSetId = (marathon: string, backendName: string): string => `traefik:${marathon}:${backendName}`;

export function traefikClaims(app: App, rules: LabelRules, traefik: TraefikRules): LabelClaims {
  const reader = new LabelReader(app);
  if (!isExposed(app, reader, traefik)) return { ...nothing, diagnostics: reader.diagnostics };
  const segments = segmentsOf(reader.keys);
  const pairs = (segments.length === 0 ? [''] : segments).map((segment) =>
    pairOf(app, new TraefikLabels(reader, segment), rules, traefik),
  );
  reviewTraefikNames(reader);
  return {
    records: pairs.flatMap((pair) => pair.records),
    plans: pairs.map((pair) => pair.plan),
    diagnostics: reader.diagnostics,
    ports: new Map(pairs.flatMap(({ records, portIndex }) => records.map(({ id }) => [id, portIndex] as const))),
  };
}

/** Whether the provider publishes the app at all. */
export function isExposed(app: App, reader: LabelReader, traefik: TraefikRules): boolean {
  const labels = new TraefikLabels(reader, '');
  if (!labels.flag('enable', traefik.exposedByDefault)) return false;
  // Mesos's provider has constraints among its options and evaluates none.
  if (app.inferred) return true;
  const group = traefik.marathonLBCompatibility ? reader.get('HAPROXY_GROUP') : undefined;
  const own = traefik.filterMarathonConstraints ? (app.constraints ?? []) : [];
  return meetsConstraints(
    [...labels.list('tags'), ...(group === undefined ? [] : [group]), ...own],
    traefik.constraints,
  );
}

interface Pair {
  readonly records: readonly ClaimedRecord[];
  readonly plan: SetPlan;
  readonly portIndex: number;
}

function pairOf(app: App, labels: TraefikLabels, rules: LabelRules, traefik: TraefikRules): Pair {
  const { segment } = labels;
  const portIndex = indexOfPort(app, labels);
  const { provider, frontend, backend } = namesOf(app, labels);
  const set = traefikSetId(provider, backend);
  const options = `traefik:${provider}:${frontend}`;
  const target: RouteTarget = { app: app.key, appId: app.id, portIndex, options, set };
  const rule = ruleText(app, labels, traefik);
  const parsed = parseTraefikRule(rule);
  const isBroken = isRejection(parsed);
  if (isBroken) labels.reader.report(labels.key('frontend.rule'), 'error', parsed.rejected, parsed.hint);
  const changes = isBroken ? [] : parsed.changes;
  const treated = traefikOptions(options, labels, rules, changes, (name) =>
    traefikSetId(provider, app.inferred ? `backend-${name}` : backendNameOf('', '', name)),
  );
  const routes = isBroken ? [] : routesOf(rule, parsed, frontend, labels, rules, traefik, target);
  return {
    portIndex,
    records: [...routes, treated, traefikService(set, backend, app, labels, rules.labels === 'reference')],
    plan: app.inferred ? mesosPlan(set, app, segment, rules, traefik) : planOf(set, app, labels, rules, traefik),
  };
}

/** Tasks of Mesos are grouped by discovery name over all frameworks. */
function namesOf(
  app: App,
  labels: TraefikLabels,
): { readonly provider: string; readonly frontend: string; readonly backend: string } {
  const { segment } = labels;
  const label = labels.text('backend') ?? labels.text('backend.id');
  if (!app.inferred)
    return {
      provider: app.marathon,
      frontend: frontendNameOf(app.id, segment),
      backend: backendNameOf(app.id, segment, label),
    };
  const name = discoveryNameOf(app);
  return {
    provider: 'mesos',
    frontend: mesosFrontendName(name, segment),
    backend: `backend-${mesosBackendName(name, segment, label)}`,
  };
}

export function ruleText(app: App, labels: TraefikLabels, traefik: TraefikRules): string {
  const vhost = labels.reader.get('HAPROXY_0_VHOST');
  return ruleOf({
    rule: labels.text('frontend.rule'),
    haproxyVhost: traefik.marathonLBCompatibility && vhost !== undefined ? vhost : null,
    domain: labels.text('domain') ?? traefik.domain,
    name: app.inferred
      ? mesosSubDomain(discoveryNameOf(app), traefik.groupsAsSubDomains)
      : subDomain(app.id, traefik.groupsAsSubDomains),
    segment: labels.segment,
  });
}

function routesOf(
  text: string,
  rule: TraefikRule,
  frontend: string,
  labels: TraefikLabels,
  rules: LabelRules,
  traefik: TraefikRules,
  target: RouteTarget,
): RouteEntry[] {
  const said = labels.integer('frontend.priority', 0);
  const weight = said > 0 ? said : Buffer.byteLength(text);
  const entryPoints = labels.list('frontend.entryPoints');
  const listeners = rules.listeners.filter((listener) =>
    (entryPoints.length > 0 ? entryPoints : traefik.defaultEntryPoints).includes(listener),
  );
  // As measured the old way of passing certificates costs a frontend everything, where one of its entry points has no TLS.
  if (rules.labels === 'reference' && listeners.includes('http') && labels.flag('frontend.passTLSCert', false))
    return [];
  for (const name of entryPoints)
    if (name !== 'http' && name !== 'https')
      labels.warn('frontend.entryPoints', `there is no entry point ${name}`, 'http or https');
  const hosts = (rule.hosts.length === 0 ? ['*'] : rule.hosts).filter((host) =>
    mayClaim(host, labels.key('frontend.rule'), rules, labels.reader),
  );
  const paths = rule.paths.length === 0 ? [{ kind: 'prefix', text: '/' } as const] : rule.paths;
  const { conditions } = rule;
  const routes: RouteEntry[] = [];
  for (const listener of listeners)
    for (const host of hosts)
      for (const { kind, text: path } of paths) {
        const match = { host, path, ignoreCase: false, weight };
        const besides = `${kind === 'exact' ? 'exact' : ''}${conditions.length > 0 ? frontend : ''}`;
        routes.push(
          Object.freeze({
            kind: 'route',
            id: routeId(listener, host, path, false, besides),
            listener,
            dialect: 'traefik',
            ...match,
            ...(kind === 'prefix' ? {} : { pathKind: kind }),
            segment: false,
            ...(conditions.length === 0 ? {} : { conditions }),
            ...target,
            reason: `priority ${placement(match).replace('weight ', '')}, ${text}`,
          } as const),
        );
      }
  return routes;
}

function planOf(id: string, app: App, labels: TraefikLabels, rules: LabelRules, traefik: TraefikRules): SetPlan {
  const weight = Math.max(0, labels.integer('weight', 1));
  const facts = { port: labels.text('port'), portIndex: labels.text('portIndex') };
  const ipIndex = labels.integer('ipAddressIdx', null);
  const { segment } = labels;
  return {
    id,
    collect(snapshot) {
      const known: NamedBackend[] = [];
      for (const key of snapshot.tasksOfApp.get(app.key) ?? []) {
        const task = snapshot.tasks.get(key);
        if (task === undefined || !isServing(task)) continue;
        const address = serverAddress(app, task, facts, ipIndex, traefik.forceTaskHostname);
        if (address === null) continue;
        const state = fitness(counted(task, rules), snapshot.verdicts.get(backendKey(address.ip, address.port)));
        const made = makeBackend(address, task, state);
        const backend = state === 'up' && weight !== 1 ? Object.freeze({ ...made, weight }) : made;
        known.push({ backend, name: serverNameOf(app.id, task.id, segment) });
      }
      return { known, lost: [] };
    },
  };
}

/** Traefik heeds neither health nor, unless told to, readiness. Corrected both count. */
const counted = (task: Task, rules: LabelRules): Task =>
  rules.labels === 'reference' || !rules.healthCheck
    ? { ...task, appHealth: null, healthy: null, hasHealthCheck: false }
    : task;

/** Where a task's server is; null: no address, or no port. */
export function serverAddress(
  app: App,
  task: Task,
  facts: { readonly port: string | null; readonly portIndex: string | null },
  ipIndex: number | null,
  forceAgent: boolean,
): { readonly ip: string; readonly port: number } | null {
  const port = portOf(facts.port, facts.portIndex, portsOf(app, task));
  const ip = app.networkMode === 'container' && !forceAgent ? taskIp(task, ipIndex) : task.agentIp;
  if (port !== null && ip !== null) return { ip, port };
  // An overlay port that Marathon shows on the app alone: Traefik has no port there, we have.
  const first = app.ports[Number(facts.portIndex ?? 0)];
  return facts.port !== null || first === undefined || app.networkMode !== 'container' || forceAgent
    ? null
    : addressOfAppPort(app, first, task);
}

function portsOf(app: App, task: Task): readonly number[] {
  const defined = app.networkMode === 'host' ? app.ports.flatMap((port) => port.servicePort ?? []) : [];
  const discovered = app.ports.every((port) => port.servicePort === null)
    ? app.ports.flatMap((port) => port.containerPort ?? [])
    : [];
  return firstPorts(task.hostPorts, defined, discovered);
}

function taskIp(task: Task, index: number | null): string | null {
  if (task.addresses.length === 1) return task.addresses[0]?.ip ?? null;
  return index === null ? null : (task.addresses[index]?.ip ?? null);
}

/** Which of the app's ports its labels mean; those that mean none are told of, as far as the app alone can say. */
function indexOfPort(app: App, labels: TraefikLabels): number {
  const [port, index] = [labels.text('port'), labels.text('portIndex')];
  if (port !== null) {
    const number = /^\d+$/.test(port) ? Number(port) : 0;
    if (number < 1 || number > 65_535) labels.warn('port', `"${port}" is no port`, 'a number from 1 to 65535');
    const found = app.ports.find((one) => one.servicePort === number || one.containerPort === number);
    return found?.index ?? app.ports[0]?.index ?? 0;
  }
  const number = index !== null && /^\d+$/.test(index) ? Number(index) : 0;
  const isIndex = index === null || /^\d+$/.test(index);
  const said = app.ports.map((one) => one.index).join(', ') || 'none';
  if (!isIndex) labels.warn('portIndex', `"${index ?? ''}" is no index of a port`, `its ports are ${said}`);
  else if (index !== null && app.ports.length > 0 && number >= app.ports.length)
    labels.warn('portIndex', `the app has no port ${number}`, `its ports are ${said}`);
  return app.ports[number]?.index ?? app.ports[0]?.index ?? 0;
}
