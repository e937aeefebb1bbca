// What labels make of a route's traffic besides, in words: who else is asked, what is copied, delayed, refused and tried again.

import type { Table } from '../../src/ports/index.ts';
import { hasField, isCookieIn } from './named-value.ts';
import type { RouteEntry, RouteRecord } from './route-record.ts';
import type { RoutedRequest } from './route-condition.ts';
import type { Retries, ServiceEntry } from './service-record.ts';
import type { Canary, Faults, Mirror, NamedValue, RouteBranch } from './traffic-record.ts';

/** Lines for people, none where nothing is asked. `nowMs`: epoch milliseconds. */
export function trafficLines(
  route: RouteEntry,
  request: RoutedRequest,
  table: Table<RouteRecord>,
  nowMs: number,
): readonly string[] {
  const service = table.get(`service:${route.set}`);
  const options = table.get(`options:${route.options}`);
  const branches = (route.branches ?? []).map((branch) => branchLine(branch, route, request, table));
  return [
    ...branches,
    ...(options?.kind === 'options' && options.faults !== undefined ? [faultLine(options.faults, nowMs)] : []),
    ...(service?.kind === 'service' ? serviceLines(service) : []),
  ];
}

function branchLine(
  { appId, portIndex, set, share }: RouteBranch,
  route: RouteEntry,
  request: RoutedRequest,
  table: Table<RouteRecord>,
): string {
  const name = `${appId}:${portIndex}`;
  const backends = table.get(`set:${set}`);
  const isServed = backends?.kind === 'set' && backends.backends.some(({ state }) => state === 'up');
  const none = isServed ? '' : ', but has no backend';
  if (share.canary === undefined)
    return `shares with ${name}: weight ${share.weight ?? 0} beside ${route.share?.weight ?? 0}${none}`;
  const isAsked = isServed && isAskedFor(share.canary, request);
  return `canary ${name}: ${canaryWords(share.canary)}${none}${isAsked ? '; this request goes there' : ''}`;
}

function isAskedFor({ header, cookie }: Canary, { fields }: RoutedRequest): boolean {
  return (
    (header !== undefined && hasField(fields, header)) ||
    (cookie !== undefined && isCookieIn(fields.get('cookie') ?? '', cookie))
  );
}

function canaryWords({ header, cookie, percent }: Canary): string {
  const words = [
    ...(header === undefined ? [] : [`requests with ${valueWords(header, ': ')}`]),
    ...(cookie === undefined ? [] : [`requests with cookie ${valueWords(cookie, '=')}`]),
    ...(percent === undefined ? [] : [`${percent} % of the clients`]),
  ];
  return words.join(', ');
}

const valueWords = ({ name, value }: NamedValue, sign: string): string =>
  value === null ? name : `${name}${sign}${value}`;

function faultLine({ delay, abort, header, untilMs }: Faults, nowMs: number): string {
  const words = [
    ...(delay === undefined ? [] : [`${delay.percent} % wait ${delay.ms} ms`]),
    ...(abort === undefined ? [] : [`${abort.percent} % are answered with ${abort.status}`]),
  ];
  const among = header === undefined ? 'requests' : `requests with ${valueWords(header, ': ')}`;
  const until = untilMs === undefined ? '' : `, until ${new Date(untilMs).toISOString()}`;
  return `faults on purpose: of ${among} ${words.join(', ')}${until}${(untilMs ?? Infinity) <= nowMs ? ', which is over' : ''}`;
}

function serviceLines({ mirror, retries, breaker }: ServiceEntry): readonly string[] {
  return [
    ...(mirror === undefined ? [] : [mirrorLine(mirror)]),
    ...(retries === undefined ? [] : [retryLine(retries)]),
    ...(breaker === undefined ? [] : [`breaker: opens where ${breaker.expression}, for ${breaker.openMs} ms`]),
  ];
}

function mirrorLine({ appId, portIndex, percent, allMethods, hostSuffix }: Mirror): string {
  const among = allMethods === true ? 'requests' : 'requests that do the same twice';
  const host = hostSuffix === undefined ? '' : `, with ${hostSuffix} in the host`;
  return `mirror: ${percent} % of the ${among} go to ${appId}:${portIndex} too${host}`;
}

function retryLine({ attempts, on, expression }: Retries): string {
  const when = expression ?? on.join(', ');
  return `retries: ${attempts} at most${when === '' ? '' : `, on ${when}`}`;
}
