// Small rules of Marathon-LB: sticky names, values of labels, the choice of a health check.

import { parseInteger, parseList, parseReferenceBoolean } from '../../proxies/router/label-values.ts';
import { parseAuth } from '../../proxies/router/labels/auth-label.ts';
import { checkOfPort } from '../../proxies/router/labels/check-choice.ts';
import { claimsOfUnit } from '../../proxies/router/labels/dialects.ts';
import { defaultLabelRules } from '../../proxies/router/labels/label-rules.ts';
import { unitKeyOf, unitOf } from '../../proxies/router/labels/deployment-group.ts';
import { parseMode } from '../../proxies/router/labels/marathon-lb-service.ts';
import { cookieValue, serverId, serverName } from '../../proxies/router/labels/server-name.ts';
import { routedApp } from '../proxies/router/routed-apps.ts';
import { judge, rowOf, rowsOf, same, type Report, type Row } from './l7-outcome.ts';

type Compare = (row: Row) => readonly string[];

const compares: Readonly<Record<string, Compare>> = {
  jsonNullCleanup: () => ['has no rule here'],
  serverId: compareIds,
  serverNameAndCookie: compareName,
  labelParsing: compareLabel,
  healthCheckSelection: compareCheck,
};

export async function runMisc(cases: unknown, report: Report): Promise<void> {
  for (const [key, list] of Object.entries(rowOf(cases))) {
    if (key === 'about') continue;
    const compare = compares[key];
    const rows = rowsOf(list, key);
    for (const [index, row] of rows.entries())
      await judge(`${key} ${index}`, report, () => compare?.(row) ?? ['is a rule that the runner does not know'], key);
  }
}

function compareName(row: Row): readonly string[] {
  const expect = rowOf(row['expect']);
  const name = serverName(String(row['host']), String(row['ip']), Number(row['port']));
  return [...same('name', name, expect['serverName']), ...same('cookie', cookieValue(name), expect['cookieValue'])];
}

/** Numbers of servers, one after the other: of one backend, or each of its own. */
function compareIds(row: Row): readonly string[] {
  const expect = row['expect'] as readonly (readonly [name: string, id: number])[];
  const shared = new Set<number>();
  return expect.flatMap(([name, id]) =>
    same(name, serverId(name, row['sharedTakenSet'] === true ? shared : new Set()), id),
  );
}

function compareCheck(row: Row): readonly string[] {
  const checks = rowsOf(row['healthChecks'], 'healthChecks').map((check) => ({
    id: String(check['id']),
    port: (check['port'] as number | undefined) ?? null,
    portIndex: (check['portIndex'] as number | undefined) ?? null,
  }));
  return same('check', checkOfPort(checks, Number(row['portIndex']))?.id ?? null, row['expect']);
}

/** A rejection stands for the reference's exception: it costs this label alone. */
function compareLabel(row: Row): readonly string[] {
  const [label, value] = [String(row['label']), String(row['value'])];
  const suffix = label.replace(/^HAPROXY_(\d+_)?/, '');
  const expect = row['expect'];
  const isError = rowOf(expect)['error'] !== undefined;
  const parsed = parseLabel(suffix, value);
  if (parsed === undefined) return [`label ${label} is not understood`];
  const isRejected = typeof parsed === 'object' && parsed !== null && 'rejected' in parsed;
  if (isError) return isRejected ? [] : [`is ${JSON.stringify(parsed)}, expected a rejection`];
  return same('value', parsed, expect);
}

const flags = new Set(['STICKY', 'ENABLED', 'REDIRECT_TO_HTTPS', 'USE_HSTS']);
/** Read as they are, but for the blanks around them. */
const texts = new Set([
  'BIND_ADDR',
  'BIND_OPTIONS',
  'SSL_CERT',
  'BALANCE',
  'BACKEND_NETWORK_ALLOWED_ACL',
  'HTTP_BACKEND_PROXYPASS_PATH',
  'HTTP_BACKEND_REVPROXY_PATH',
  'HTTP_BACKEND_REDIR',
]);
const numbers = new Set(['PORT', 'BACKEND_WEIGHT', 'BACKEND_HEALTHCHECK_PORT_INDEX']);

function parseLabel(suffix: string, value: string): unknown {
  if (flags.has(suffix)) return parseReferenceBoolean(value);
  if (numbers.has(suffix)) return parseInteger(value);
  if (suffix === 'GROUP') return parseList(value);
  if (suffix === 'MODE') return parseMode(value);
  if (suffix === 'AUTH') return parseAuth(value);
  if (suffix === 'VHOST' || suffix === 'PATH') return routesOf(suffix, value);
  return texts.has(suffix) ? textOf(suffix, value) : undefined;
}

/** The label's text where the records of an app follow it: a value that changes nothing was not read. */
function textOf(suffix: string, value: string): unknown {
  const claimed = (labels: Readonly<Record<string, string>>): string => {
    const app = routedApp('/a', { HAPROXY_0_VHOST: 'h.example', ...labels });
    return JSON.stringify(claimsOfUnit(unitOf(unitKeyOf(app), [app]), { ...defaultLabelRules, groups: ['*'] }).records);
  };
  const isDefault = value.trim() === '' || (suffix === 'BALANCE' && value === 'roundrobin') || value === '*';
  return isDefault || claimed({ [`HAPROXY_0_${suffix}`]: value }) !== claimed({}) ? value : 'nothing';
}

/** What a label makes of the routes of an app, in the words of the case. */
function routesOf(suffix: string, value: string): unknown {
  const labels = { HAPROXY_0_VHOST: 'h.example', [`HAPROXY_0_${suffix}`]: value };
  const app = routedApp('/a', labels);
  const { records } = claimsOfUnit(unitOf(unitKeyOf(app), [app]), { ...defaultLabelRules, groups: ['*'] });
  const routes = records.filter((record) => record.kind === 'route');
  if (suffix === 'VHOST') return routes.map((route) => route.host).join(',');
  const words = [...(routes.some((route) => route.ignoreCase) ? ['-i'] : []), ...routes.map((route) => route.path)];
  return { path: words.join(' '), weight: routes[0]?.weight };
}
