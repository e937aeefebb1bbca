// The HAPROXY_* labels of one app or deployment group as records: routes on its hosts and paths, a service port, an app id, and what is done to
// requests (specs/l7.md §1.2–1.8). Pure.

import type { AppPort } from '../../../src/cluster/index.ts';
import { canonicalPath } from '../../http1/index.ts';
import { parseBoolean, parseInteger, parseList, parseReferenceBoolean } from '../label-values.ts';
import { placement } from '../precedence.ts';
import type { Dialect, RouteEntry, RouteTarget } from '../route-record.ts';
import { planOfPort } from '../port-set.ts';
import { reviewHaproxyNames } from './haproxy-review.ts';
import type { AclRouting } from './acl-template.ts';
import { hostsOfLabel, mayClaim } from './host-authority.ts';
import { LabelReader } from './label-reader.ts';
import type { ClaimedRecord, LabelClaims, LabelRules, LabelUnit } from './label-rules.ts';
import { setIdOf, type PortLabels } from './port-labels.ts';
import { optionsOfPort } from './marathon-lb-options.ts';
import { modeOfLabels, portEntryOf, serviceOfPort, servicePortOf } from './marathon-lb-service.ts';
import { readTemplates } from './templates.ts';

export function marathonLbClaims(unit: LabelUnit, rules: LabelRules): LabelClaims {
  const reader = new LabelReader(unit.app);
  if (!reader.keys.some((key) => key.startsWith('HAPROXY_')) && !rules.groups.includes('*'))
    return { records: [], plans: [], diagnostics: [] };
  reviewHaproxyNames(reader);
  const served = unit.app.ports.flatMap((port) => readPort(unit, port, rules, reader) ?? []);
  const records: ClaimedRecord[] = served.flatMap(recordsOfPort);
  const firstHttp = served.find((labels) => labels.mode === 'http');
  if (firstHttp !== undefined && !firstHttp.templates.closesAppId) records.push(appEntryOf(firstHttp));
  const plans = served.map((labels) => planOfPort(unit, labels.port, rules, labels.templates.fixedPort));
  return { records, plans, diagnostics: reader.diagnostics };
}

function readPort(unit: LabelUnit, port: AppPort, rules: LabelRules, reader: LabelReader): PortLabels | null {
  const prefix = `HAPROXY_${port.index}_`;
  const isReference = rules.labels === 'reference';
  if (!isPublished(port, rules, reader)) return null;
  const vhost = reader.get(`${prefix}VHOST`) ?? null;
  const hosts = vhost === null ? [] : hostsOfLabel(vhost, `${prefix}VHOST`, rules, reader);
  const templates = readTemplates(reader, prefix, rules, hosts);
  const mode = modeOfLabels(unit.app, port, reader, isReference);
  return { unit, port, reader, rules, prefix, isReference, hosts, vhost, templates, mode };
}

function isPublished(port: AppPort, rules: LabelRules, reader: LabelReader): boolean {
  const parse = rules.labels === 'reference' ? parseReferenceBoolean : parseBoolean;
  if (!reader.value(`HAPROXY_${port.index}_ENABLED`, parse, !rules.strictMode)) return false;
  return isInGroup(port, rules, reader);
}

function isInGroup(port: AppPort, rules: LabelRules, reader: LabelReader): boolean {
  if (rules.groups.includes('*')) return true;
  const own = `HAPROXY_${port.index}_GROUP`;
  const key = reader.get(own) === undefined ? 'HAPROXY_GROUP' : own;
  const text = reader.get(key) ?? '';
  const groups = rules.labels === 'reference' ? text.split(',') : parseList(text);
  if (groups.some((group) => rules.groups.includes(group))) return true;
  const vhostKey = `HAPROXY_${port.index}_VHOST`;
  if (reader.get(vhostKey) === undefined) return false;
  const reason = text === '' ? 'has no group' : `is in group ${text}`;
  const hint = `set ${key} to one of them`;
  reader.report(vhostKey, 'info', `the port ${reason}; served here: ${rules.groups.join(', ')}`, hint);
  return false;
}

/** Labels that are about requests, and what it is to have them on a port that hears of none. */
const aboutRequests = [
  ['AUTH', 'error'],
  ['STICKY', 'warn'],
  ['REDIRECT_TO_HTTPS', 'warn'],
  ['USE_HSTS', 'warn'],
  ['HTTP_BACKEND_PROXYPASS_PATH', 'warn'],
  ['HTTP_BACKEND_REVPROXY_PATH', 'warn'],
  ['HTTP_BACKEND_REDIR', 'warn'],
] as const;

function recordsOfPort(labels: PortLabels): ClaimedRecord[] {
  const { mode, reader, prefix } = labels;
  for (const [name, severity] of mode === 'tcp' ? aboutRequests : [])
    if (reader.get(prefix + name) !== undefined)
      reader.report(prefix + name, severity, 'has no effect in mode tcp', `set ${prefix}MODE to http`);
  const port = servicePortOf(labels);
  const entry = port === null ? null : portEntryOf(labels, port, targetOf(labels));
  return [
    ...routesOfPort(labels, mode),
    ...(mode === 'tcp' && passesTls(labels) ? labels.hosts.map((host) => sniEntryOf(host, labels)) : []),
    ...(entry === null ? [] : [entry]),
    optionsOfPort(labels),
    serviceOfPort(labels, port),
  ];
}

function targetOf({ unit, port }: Pick<PortLabels, 'unit' | 'port'>): RouteTarget {
  const id = setIdOf(unit, port);
  return { app: unit.app.key, appId: unit.appId, portIndex: port.index, options: id, set: id };
}

function appEntryOf(labels: PortLabels): ClaimedRecord {
  return Object.freeze({ kind: 'app', id: labels.unit.appId.toLowerCase(), ...targetOf(labels) } as const);
}

/** TLS of the vhosts of a port in mode tcp is its backends' own, where we listen for TLS. */
const passesTls = ({ rules, isReference }: PortLabels): boolean => !isReference && rules.listeners.includes('https');

function sniEntryOf(host: string, labels: PortLabels): ClaimedRecord {
  return Object.freeze({ kind: 'sni', id: host, ...targetOf(labels) } as const);
}

function routesOfPort(labels: PortLabels, mode: 'http' | 'tcp'): RouteEntry[] {
  const { reader, prefix, vhost, templates } = labels;
  if (vhost === null) {
    const reason = 'has no effect without a vhost';
    if (reader.get(`${prefix}PATH`) !== undefined)
      reader.report(`${prefix}PATH`, 'warn', reason, `set ${prefix}VHOST too`);
    return [];
  }
  if (mode === 'tcp') {
    if (passesTls(labels)) return [];
    reader.report(
      `${prefix}VHOST`,
      'warn',
      'a port in mode tcp has no route by host without TLS',
      `set ${prefix}MODE to http`,
    );
    return [];
  }
  if (templates.closed.length > 0 && !labels.rules.allowUnsafeTemplates) return [];
  return entriesOfPort(labels);
}

function entriesOfPort(labels: PortLabels): RouteEntry[] {
  const { reader, prefix, rules, isReference, templates } = labels;
  const { paths, ignoreCase, given } = readPaths(`${prefix}PATH`, reader);
  const redirects = reader.value(
    `${prefix}REDIRECT_TO_HTTPS`,
    isReference ? parseReferenceBoolean : parseBoolean,
    false,
  );
  const isPlain = !given && !redirects && reader.get(`${prefix}AUTH`) === undefined;
  const said = reader.value(`${prefix}BACKEND_WEIGHT`, parseInteger, 0);
  // Marathon-LB raises the rank of a rule with a path above that of the host alone; its map comes behind all rules.
  const weight = rules.haproxyMap && isPlain ? -1 : given && said === 0 ? 1 : said;
  // As measured its map has one host of each port, where there is a front end for each host.
  const isGrouped = isReference && rules.groupHttpsByVhost && rules.haproxyMap && isPlain;
  const dialect: Dialect = isReference ? 'marathon-lb-reference' : 'marathon-lb';
  const base = {
    dialect,
    ignoreCase,
    segment: false,
    weight,
    ...targetOf(labels),
  };
  const routes = new Map<string, RouteEntry>();
  for (const listener of rules.listeners) {
    // As measured a port or a dot behind the host is another host, but for the map.
    const isWhole = isReference && listener === 'http' && !rules.haproxyMap;
    const more = {
      ...(redirects && listener === 'http' ? { redirects: true } : {}),
      ...(isReference && listener === 'https' && !rules.haproxyMap ? { namesAsSent: true } : {}),
    };
    (templates.routing[listener] ?? [null]).forEach((routing, alternative) => {
      const all = routing === null ? labels.hosts : hostsOfRouting(routing, labels);
      const said = routing?.conditions ?? [];
      const besides = said.length === 0 ? '' : base.set + (alternative === 0 ? '' : ` ${alternative + 1}`);
      for (const host of isGrouped && listener === 'https' ? all.slice(0, 1) : all)
        for (const path of routing?.anyPath === true ? ['/'] : paths) {
          const match = { host, path, ...base };
          const id = routeId(listener, host, path, ignoreCase, besides);
          const whole = isWhole && !/^[*~]/.test(host) ? [{ on: 'authority', texts: [host] } as const] : [];
          const conditions = [...said, ...whole];
          const asked = conditions.length === 0 ? {} : { conditions };
          const reason = placement(match);
          routes.set(id, Object.freeze({ kind: 'route', id, listener, ...match, ...more, ...asked, reason }));
        }
    });
  }
  return [...routes.values()];
}

/** Hosts of an ACL template, as far as the app may claim them. */
function hostsOfRouting(routing: AclRouting, labels: PortLabels): readonly string[] {
  const { rules, reader, prefix } = labels;
  if (routing.hosts.length === 0) return labels.hosts;
  return routing.hosts.filter((host) => mayClaim(host, `${prefix}HTTP_FRONTEND_ACL`, rules, reader));
}

/** Equal for claims that would match the same requests. `besides`: what else sets the route apart. */
export const routeId = (listener: string, host: string, path: string, ignoreCase: boolean, besides = ''): string =>
  `${listener}:${host}${ignoreCase ? path.toLowerCase() : path}${ignoreCase ? ' -i' : ''}${besides === '' ? '' : ` ${besides}`}`;

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
