// Labels ISTHMUS_<n>_*, for what the other dialects cannot say: they change the options and the service that either made of port n.

import { parseBalance, vipOptionKey } from '../../../lb/index.ts';
import { appKey } from '../../../src/cluster/index.ts';
import { parseBreakerExpression } from '../breaker-expression.ts';
import { isRejection, nearest, parseBoolean, parseInteger, parseList, type ValueRejection } from '../label-values.ts';
import type { OptionsEntry } from '../options-record.ts';
import type { RouteEntry } from '../route-record.ts';
import type { Breaker, Retries, ServiceEntry, ServiceTimeouts } from '../service-record.ts';
import type { Canary, Faults, Mirror } from '../traffic-record.ts';
import { durationMs } from './haproxy-duration.ts';
import { LabelReader } from './label-reader.ts';
import type { ClaimedRecord, LabelClaims, LabelRules, LabelUnit } from './label-rules.ts';
import {
  parseAbort,
  parseCookieValue,
  parseDelay,
  parseFieldValue,
  parseMirror,
  parsePercent,
  parseUntil,
} from './traffic-labels.ts';

/** What a label changes; a rejection where its value is none. */
interface Change {
  readonly options?: Partial<OptionsEntry>;
  readonly service?: Partial<ServiceEntry>;
  readonly timeouts?: ServiceTimeouts;
  readonly retries?: Partial<Retries>;
  readonly breaker?: Partial<Breaker>;
  readonly route?: Partial<RouteEntry>;
  readonly canary?: Canary;
  readonly weight?: number;
  readonly mirror?: Partial<Mirror>;
  readonly faults?: Faults;
  /** Answers with a server error that open the breaker: how many requests there must be, and which share of them. */
  readonly errors?: { readonly requests?: number; readonly percent?: number };
}

type Read = (value: string) => Change | ValueRejection;

const reads: Readonly<Record<string, Read>> = {
  LB: (value) => {
    const balance = parseBalance(value);
    return 'rejected' in balance ? balance : { service: { balance } };
  },
  PROTOCOL: (value) => {
    const protocol = value.trim().toLowerCase();
    const isKnown = protocol === 'http' || protocol === 'https' || protocol === 'h2c' || protocol === 'h2';
    return isKnown
      ? { service: { protocol } }
      : { rejected: `"${value}" is no protocol`, hint: 'http, https, h2c or h2' };
  },
  TIMEOUT: ofDuration((totalMs) => ({ timeouts: { totalMs } })),
  TIMEOUT_PERTRY: ofDuration((perTryMs) => ({ timeouts: { perTryMs } })),
  TIMEOUT_IDLE: ofDuration((answerMs) => ({ timeouts: { answerMs } })),
  TIMEOUT_CONNECT: ofDuration((connectMs) => ({ timeouts: { connectMs } })),
  TIMEOUT_TUNNEL: ofDuration((tunnelMs) => ({ timeouts: { tunnelMs } })),
  RETRIES_ATTEMPTS: ofNumber((attempts) => ({ retries: { attempts: Math.min(attempts, 10) } })),
  RETRIES_ON: readRetriesOn,
  BREAKER: (value) => {
    const expression = value.trim();
    if (parseBreakerExpression(expression) !== null) return { breaker: { expression } };
    return { rejected: `"${value}" is no expression`, hint: 'such as NetworkErrorRatio() > 0.5' };
  },
  BREAKER_OPEN: ofDuration((openMs) => ({ breaker: { openMs } })),
  BREAKER_RECOVERY: ofDuration((recoveryMs) => ({ breaker: { recoveryMs } })),
  BREAKER_REQUESTS: ofNumber((requests) => ({ errors: { requests } })),
  BREAKER_ERRORS: ofParsed(parsePercent, (percent) => ({ errors: { percent } })),
  WEIGHT: ofNumber((weight) => ({ weight })),
  CANARY_HEADER: ofParsed(parseFieldValue, (header) => ({ canary: { header } })),
  CANARY_COOKIE: ofParsed(parseCookieValue, (cookie) => ({ canary: { cookie } })),
  CANARY_PERCENT: ofParsed(parsePercent, (percent) => ({ canary: { percent } })),
  MIRROR: ofParsed(parseMirror, (mirror) => ({ mirror })),
  MIRROR_HOSTSUFFIX: (value) =>
    /^[a-z0-9-]{1,60}$/i.test(value.trim())
      ? { mirror: { hostSuffix: value.trim().toLowerCase() } }
      : { rejected: `"${value}" cannot stand in a host name`, hint: 'such as -shadow' },
  MIRROR_ALLMETHODS: ofFlag((allMethods) => ({ mirror: { allMethods } })),
  FAULT_DELAY: ofParsed(parseDelay, (delay) => ({ faults: { delay } })),
  FAULT_ABORT: ofParsed(parseAbort, (abort) => ({ faults: { abort } })),
  FAULT_UNTIL: ofParsed(parseUntil, (untilMs) => ({ faults: { untilMs } })),
  FAULT_HEADER: ofParsed(parseFieldValue, (header) => ({ faults: { header } })),
  MAXPENDING: ofNumber((waitingPerBackend) => ({ service: { waitingPerBackend } })),
  SLOWSTART: ofDuration((slowStartMs) => ({ service: { slowStartMs } })),
  MAXCONNECTIONS: ofNumber((connectionsPerBackend) => ({ service: { connectionsPerBackend } })),
  MAXREQUESTS: ofNumber((amount) => ({ options: { inFlight: { amount, key: { by: 'host' } } } })),
  COMPRESS: ofFlag((compress) => ({ options: { compress } })),
  RAWPATH: ofFlag((rawPath) => ({ options: { rawPath } })),
  PASSHOST: ofFlag((passes) => ({ options: passes ? {} : { host: 'server' } })),
  SEGMENTPREFIX: ofFlag((segment) => ({ route: { segment } })),
};

export function ownClaims(unit: LabelUnit, claims: LabelClaims, rules: LabelRules): LabelClaims {
  const reader = new LabelReader(unit.app);
  const changes = new Map<number, Change[]>();
  for (const key of reader.keys) {
    if (!key.startsWith('ISTHMUS_')) continue;
    const [, index = '', name = ''] = /^ISTHMUS_(\d+)_(.+)$/.exec(key) ?? [];
    const read = Object.hasOwn(reads, name) ? reads[name] : undefined;
    const { ports } = unit.app;
    if (read === undefined) reportUnknown(key, name, reader);
    else if (!ports.some((port) => port.index === Number(index)) && vipOptionKey(key) === null)
      reader.report(
        key,
        'warn',
        `the app has no port ${index}`,
        `its ports are ${ports.map((port) => port.index).join(', ') || 'none'}`,
      );
    else if (name.startsWith('FAULT_') && !rules.allowFaults)
      reader.report(key, 'warn', 'faults on purpose are not allowed here', 'set router.allowFaults');
    else {
      const change = reader.value(key, read, null);
      if (change !== null) changes.set(Number(index), [...(changes.get(Number(index)) ?? []), change]);
    }
  }
  if (changes.size === 0 && reader.diagnostics.length === 0) return claims;
  const diagnostics = [...claims.diagnostics, ...reader.diagnostics];
  return {
    ...claims,
    records: claims.records.map((record) => changed(record, unit, changes, claims.ports)),
    diagnostics,
  };
}

function reportUnknown(key: string, name: string, reader: LabelReader): void {
  // Options of VIPs are told of where they are read.
  if (vipOptionKey(key) !== null) return;
  const near = nearest(name, Object.keys(reads));
  const hint = near === null ? `known are ${Object.keys(reads).join(', ')}` : `did you mean ${near}?`;
  reader.report(key, 'warn', 'is not known to this version', hint);
}

function changed(
  record: ClaimedRecord,
  unit: LabelUnit,
  changes: ReadonlyMap<number, readonly Change[]>,
  ports?: ReadonlyMap<string, number>,
): ClaimedRecord {
  if (record.kind === 'route') return changedRoute(record, changes.get(record.portIndex) ?? []);
  if (record.kind !== 'options' && record.kind !== 'service') return record;
  const index = ports?.get(record.id) ?? Number(record.id.slice(unit.key.length + 1));
  const all = changes.get(index);
  if (all === undefined) return record;
  return record.kind === 'options' ? changedOptions(record, all) : changedService(record, unit, all);
}

function changedRoute(record: RouteEntry, changes: readonly Change[]): RouteEntry {
  if (changes.length === 0) return record;
  const canary = merged(changes, ({ canary }) => canary);
  const weight = changes.find((change) => change.weight !== undefined)?.weight;
  const share = { ...(weight === undefined ? {} : { weight }), ...(canary === null ? {} : { canary }) };
  const route = Object.assign({}, record, ...changes.map((change) => change.route ?? {})) as RouteEntry;
  return Object.freeze(Object.keys(share).length === 0 ? route : { ...route, share });
}

function changedOptions(record: OptionsEntry, changes: readonly Change[]): OptionsEntry {
  const faults = merged(changes, (change) => change.faults);
  const isFaulty = faults?.delay !== undefined || faults?.abort !== undefined;
  const options = Object.assign({}, record, ...changes.map((change) => change.options ?? {})) as OptionsEntry;
  return Object.freeze(isFaulty ? { ...options, faults } : options);
}

function changedService(record: ServiceEntry, unit: LabelUnit, changes: readonly Change[]): ServiceEntry {
  const timeouts = merged(changes, (change) => change.timeouts, record.timeouts);
  const asked = merged(changes, (change) => change.retries);
  const breaker = breakerOf(changes);
  const mirror = mirrorOf(
    merged(changes, (change) => change.mirror),
    unit,
  );
  const service = changes.reduce<ServiceEntry>((all, one) => ({ ...all, ...one.service }), record);
  return Object.freeze({
    ...service,
    ...(timeouts === null ? {} : { timeouts }),
    ...(asked === null ? {} : { retries: { ...defaultRetries, ...record.retries, ...asked } }),
    ...(breaker === null ? {} : { breaker }),
    ...(mirror === null ? {} : { mirror }),
  });
}

const defaultRetries: Retries = { attempts: 2, on: ['connect', 'refused'] };

/** The parts that several labels give, as one; null where none gives any. */
function merged<T extends object>(
  changes: readonly Change[],
  partOf: (change: Change) => Partial<T> | undefined,
  before?: T,
): T | null {
  const parts = [before, ...changes.map(partOf)].filter((part) => part !== undefined);
  return parts.length === 0 ? null : (Object.assign({}, ...parts) as T);
}

/** By its expression, else by the share of failures that opens it. */
function breakerOf(changes: readonly Change[]): Breaker | null {
  const said = merged<Partial<Breaker>>(changes, (change) => change.breaker) ?? {};
  const errors = merged<NonNullable<Change['errors']>>(changes, (change) => change.errors);
  const { requests = 20, percent = 50 } = errors ?? {};
  const counted = `RequestCount() >= ${requests} && ResponseCodeRatio(500, 600, 0, 600) >= ${percent / 100}`;
  const expression = said.expression ?? (errors === null ? undefined : counted);
  return expression === undefined ? null : { openMs: 10_000, recoveryMs: 10_000, ...said, expression };
}

/** Apps are named as in the same Marathon. */
function mirrorOf(said: Partial<Mirror> | null, { app }: LabelUnit): Mirror | null {
  const { appId, portIndex = 0, percent = 0, ...more } = said ?? {};
  if (appId === undefined) return null;
  return { ...more, appId, portIndex, percent, set: `${appKey(app.marathon, appId)}:${portIndex}` };
}

function ofDuration(made: (ms: number) => Change): Read {
  return (value) => {
    const ms = durationMs(value.trim());
    return ms === null ? { rejected: `"${value}" is no time`, hint: 'a time such as 500ms, 10s or 1m' } : made(ms);
  };
}

function ofParsed<T>(parse: (value: string) => T | ValueRejection, made: (parsed: T) => Change): Read {
  return (value) => {
    const parsed = parse(value);
    return isRejection(parsed) ? parsed : made(parsed);
  };
}

function ofNumber(made: (number: number) => Change): Read {
  return (value) => {
    const number = parseInteger(value);
    if (typeof number !== 'number') return number;
    return number >= 0 ? made(number) : { rejected: `"${value}" is below 0`, hint: 'a number from 0' };
  };
}

function ofFlag(made: (flag: boolean) => Change): Read {
  return (value) => {
    const flag = parseBoolean(value);
    return typeof flag === 'boolean' ? made(flag) : flag;
  };
}

const causes: ReadonlySet<string> = new Set(['connect', 'reset', 'refused', 'timeout']);

function readRetriesOn(value: string): Change | ValueRejection {
  const on: Retries['on'][number][] = [];
  for (const item of parseList(value)) {
    if (causes.has(item)) on.push(item as 'connect');
    else if (/^5\d\d$/.test(item)) on.push(Number(item));
    else return { rejected: `"${item}" is no cause`, hint: 'connect, reset, refused, timeout, 502, 503, 504' };
  }
  return { retries: { on } };
}
