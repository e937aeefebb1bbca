// What the labels of one app ask for: claims on hosts and paths, and a diagnostic for each label that gives nothing. Pure.

import type { App, AppPort, Diagnostic } from '../../src/cluster/index.ts';
import { canonicalPath } from '../http1/index.ts';
import { appIgnored, appNames, honoured, ignored, portNames, restricting } from './haproxy-names.ts';
import { hostCovers, parseHostPattern } from './host-pattern.ts';
import { nearest, parseBoolean, parseInteger, parseList, type ValueRejection } from './label-values.ts';
import { placement } from './precedence.ts';
import type { RouteEntry } from './route-record.ts';

/** Which apps may claim which hosts: globs of app ids (`/prod/**`) and host patterns. */
export interface HostAuthority {
  readonly apps: readonly string[];
  readonly hosts: readonly string[];
}

export interface ClaimRules {
  /** HAPROXY_GROUP values served; `*` is all. */
  readonly groups: readonly string[];
  /** Empty: any app may claim any host. */
  readonly authority: readonly HostAuthority[];
}

export interface AppClaims {
  readonly routes: readonly RouteEntry[];
  /** Indexes of the ports that have a route. */
  readonly ports: readonly number[];
  readonly diagnostics: readonly Diagnostic[];
}

export const setIdOf = (app: App, port: AppPort): string => `${app.key}:${port.index}`;

export function claimsOfApp(app: App, rules: ClaimRules): AppClaims {
  const reader = new LabelReader(app);
  reader.reviewNames();
  const routes = app.ports.flatMap((port) => routesOfPort(port, rules, reader));
  return { routes, ports: [...new Set(routes.map((route) => route.portIndex))], diagnostics: reader.diagnostics };
}

function routesOfPort(port: AppPort, rules: ClaimRules, reader: LabelReader): RouteEntry[] {
  const prefix = `HAPROXY_${port.index}_`;
  const vhostKey = `${prefix}VHOST`;
  const vhost = reader.get(vhostKey);
  if (vhost === undefined) {
    const path = reader.get(`${prefix}PATH`);
    if (path !== undefined)
      reader.report(`${prefix}PATH`, 'warn', 'has no effect without a vhost', `set ${vhostKey} too`);
    return [];
  }
  if (!isPublished(port, rules, reader, vhostKey)) return [];
  const hosts = parseList(vhost).flatMap((item) => hostOf(item, vhostKey, rules, reader));
  const { paths, ignoreCase, given } = readPaths(`${prefix}PATH`, reader);
  const weight = reader.value(`${prefix}BACKEND_WEIGHT`, parseInteger, 0);
  // Marathon-LB raises the rank of a rule with a path above that of the host alone.
  const rank = given && weight === 0 ? 1 : weight;
  return hosts.flatMap((host) =>
    paths.map((path) => routeOf(reader.app, port, { host, path, ignoreCase, weight: rank })),
  );
}

function isPublished(port: AppPort, rules: ClaimRules, reader: LabelReader, vhostKey: string): boolean {
  const prefix = `HAPROXY_${port.index}_`;
  if (!reader.value(`${prefix}ENABLED`, parseBoolean, true)) return false;
  if (!isInGroup(port, rules, reader, vhostKey)) return false;
  const closed = reader.keys.filter((key) => key.startsWith(prefix) && restricting.has(key.slice(prefix.length)));
  for (const key of closed)
    reader.report(
      key,
      'error',
      'restricts access and is not honoured, so the port gets no route',
      'remove the label to publish without it',
    );
  if (closed.length > 0) return false;
  return reader.value(`${prefix}MODE`, parseMode, 'http') === 'http' || reportTcp(reader, `${prefix}MODE`);
}

function isInGroup(port: AppPort, rules: ClaimRules, reader: LabelReader, vhostKey: string): boolean {
  if (rules.groups.includes('*')) return true;
  const key = reader.get(`HAPROXY_${port.index}_GROUP`) === undefined ? 'HAPROXY_GROUP' : `HAPROXY_${port.index}_GROUP`;
  const groups = parseList(reader.get(key) ?? '');
  if (groups.some((group) => rules.groups.includes(group))) return true;
  const served = rules.groups.join(', ');
  const reason = groups.length === 0 ? 'has no group' : `is in group ${groups.join(', ')}`;
  reader.report(vhostKey, 'info', `the port ${reason}; served here: ${served}`, `set ${key} to one of them`);
  return false;
}

function reportTcp(reader: LabelReader, key: string): false {
  reader.report(key, 'warn', 'tcp has no virtual hosts, so the vhost gives no route', 'http, or no vhost label');
  return false;
}

function parseMode(value: string): 'http' | 'tcp' | ValueRejection {
  const mode = value.trim().toLowerCase();
  return mode === 'http' || mode === 'tcp' ? mode : { rejected: `"${value}" is no mode`, hint: 'http or tcp' };
}

function hostOf(item: string, key: string, rules: ClaimRules, reader: LabelReader): string[] {
  const host = parseHostPattern(item);
  if (typeof host !== 'string') {
    reader.report(key, 'warn', host.rejected, host.hint);
    return [];
  }
  const may =
    rules.authority.length === 0 ||
    rules.authority.some(
      (rule) =>
        rule.apps.some((glob) => globMatches(glob, reader.app.id)) &&
        rule.hosts.some((outer) => hostCovers(outer, host)),
    );
  if (may) return [host];
  reader.report(
    key,
    'error',
    `${reader.app.id} may not claim ${host}`,
    'router.authority of the configuration says who may',
  );
  return [];
}

/** `*` within one level of an app id, `**` over any number. */
function globMatches(glob: string, appId: string): boolean {
  const source = glob
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\/\*\*$/, '(?:/.*)?')
    .replace(/\*\*/g, '.*')
    .replace(/(?<!\.)\*/g, '[^/]*');
  return new RegExp(`^${source}$`).test(appId);
}

interface Paths {
  readonly paths: readonly string[];
  readonly ignoreCase: boolean;
  readonly given: boolean;
}

/** The argument list of HAProxy's `path_beg`: flags, then prefixes, between blanks. */
function readPaths(key: string, reader: LabelReader): Paths {
  const value = reader.get(key);
  const words = value?.split(/\s+/).filter((word) => word !== '') ?? [];
  if (value === undefined || words.length === 0) return { paths: ['/'], ignoreCase: false, given: false };
  const paths: string[] = [];
  let ignoreCase = false;
  for (const word of words) {
    if (word === '-i') ignoreCase = true;
    else if (word.startsWith('-'))
      reader.report(key, 'warn', `the flag ${word} is not honoured`, '-i, or prefixes alone');
    else {
      const canonical = word.startsWith('/') ? canonicalPath(word) : null;
      if (canonical === null) reader.report(key, 'warn', `"${word}" is no path`, 'a prefix that begins with a slash');
      else paths.push(canonical.match);
    }
  }
  return { paths: [...new Set(paths)], ignoreCase, given: true };
}

type Match = Pick<RouteEntry, 'host' | 'path' | 'ignoreCase' | 'weight'>;

function routeOf(app: App, port: AppPort, match: Match): RouteEntry {
  return Object.freeze({
    kind: 'route',
    id: routeId(match.host, match.path, match.ignoreCase),
    listener: 'http',
    dialect: 'marathon-lb',
    ...match,
    segment: false,
    app: app.key,
    appId: app.id,
    portIndex: port.index,
    options: setIdOf(app, port),
    set: setIdOf(app, port),
    reason: placement(match),
  } as const);
}

/** Equal for claims that would match the same requests. */
export const routeId = (host: string, path: string, ignoreCase: boolean): string =>
  `http:${host}${ignoreCase ? path.toLowerCase() : path}${ignoreCase ? ' -i' : ''}`;

/** Reads an app's labels and collects what is wrong with them. */
class LabelReader {
  readonly app: App;
  readonly diagnostics: Diagnostic[] = [];
  readonly keys: readonly string[];

  constructor(app: App) {
    this.app = app;
    this.keys = Object.keys(app.labels).sort();
  }

  get(key: string): string | undefined {
    return Object.hasOwn(this.app.labels, key) ? this.app.labels[key] : undefined;
  }

  /** A parsed value; the default where there is none or it is rejected, which costs that label alone. */
  value<T>(key: string, parse: (value: string) => T | ValueRejection, otherwise: T): T {
    const text = this.get(key);
    if (text === undefined) return otherwise;
    const parsed = parse(text);
    if (!isRejection(parsed)) return parsed;
    this.report(key, 'warn', parsed.rejected, parsed.hint);
    return otherwise;
  }

  report(key: string, severity: Diagnostic['severity'], reason: string, hint: string): void {
    this.diagnostics.push({ app: this.app.key, task: null, key, value: this.get(key) ?? '', reason, hint, severity });
  }

  /** One diagnostic for each label of ours that nothing comes of. */
  reviewNames(): void {
    for (const key of this.keys) {
      if (key.startsWith('HAPROXY_')) this.#reviewHaproxy(key);
      else if (key.startsWith('ISTHMUS_'))
        this.report(
          key,
          'warn',
          'is not known to this version',
          'labels ISTHMUS_<port index>_<NAME> are reserved for it',
        );
    }
  }

  #reviewHaproxy(key: string): void {
    if (appNames.has(key)) {
      if (appIgnored.has(key)) this.report(key, 'warn', 'is not honoured yet', 'the app is served on its own');
      return;
    }
    const [, index = '', suffix = ''] = /^HAPROXY_(\d+)_(.+)$/.exec(key) ?? [];
    if (suffix === '') {
      this.#reportUnknown(key, [...appNames, ...portNames.map((name) => `HAPROXY_0_${name}`)], key);
    } else if (!this.app.ports.some((port) => port.index === Number(index))) {
      this.report(
        key,
        'warn',
        `the app has no port ${index}`,
        `its ports are ${this.app.ports.map((port) => port.index).join(', ') || 'none'}`,
      );
    } else if (ignored.has(suffix)) {
      this.report(key, 'warn', 'is known and not honoured yet', 'the port is served without it');
    } else if (!honoured.has(suffix) && !restricting.has(suffix)) {
      this.#reportUnknown(
        key,
        portNames.map((name) => `HAPROXY_${index}_${name}`),
        key,
      );
    }
  }

  #reportUnknown(key: string, names: readonly string[], word: string): void {
    const near = nearest(word, names);
    this.report(
      key,
      'warn',
      'is no label of this name',
      near === null ? 'see the list of labels' : `did you mean ${near}?`,
    );
  }
}

function isRejection(value: unknown): value is ValueRejection {
  return typeof value === 'object' && value !== null && 'rejected' in value;
}
