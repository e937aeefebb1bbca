// Labels ISTHMUS_<n>_*, for what the other dialects cannot say: they change the options and the service that those made of port n.

import { parseBalance, vipOptionKey } from '../../../lb/index.ts';
import { parseBreakerExpression } from '../breaker-expression.ts';
import { nearest, parseBoolean, parseInteger, parseList, type ValueRejection } from '../label-values.ts';
import type { OptionsEntry } from '../options-record.ts';
import type { RouteEntry } from '../route-record.ts';
import type { Breaker, Retries, ServiceEntry, ServiceTimeouts } from '../service-record.ts';
import { durationMs } from './haproxy-duration.ts';
import { LabelReader } from './label-reader.ts';
import type { ClaimedRecord, LabelClaims, LabelRules, LabelUnit } from './label-rules.ts';

/** What a label changes; a rejection where its value is none. */
interface Change {
  readonly options?: Partial<OptionsEntry>;
  readonly service?: Partial<ServiceEntry>;
  readonly timeouts?: ServiceTimeouts;
  readonly retries?: Partial<Retries>;
  readonly breaker?: Partial<Breaker>;
  readonly route?: Partial<RouteEntry>;
}

type Read = (value: string) => Change | ValueRejection;

const reads: Readonly<Record<string, Read>> = {
  LB: (value) => {
    const balance = parseBalance(value);
    return 'rejected' in balance ? balance : { service: { balance } };
  },
  PROTOCOL: (value) => {
    const protocol = value.trim().toLowerCase();
    if (protocol === 'http' || protocol === 'https' || protocol === 'h2c') return { service: { protocol } };
    return { rejected: `"${value}" is no protocol`, hint: 'http, https or h2c' };
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
  SLOWSTART: ofDuration((slowStartMs) => ({ service: { slowStartMs } })),
  MAXCONNECTIONS: ofNumber((connectionsPerBackend) => ({ service: { connectionsPerBackend } })),
  MAXREQUESTS: ofNumber((amount) => ({ options: { inFlight: { amount, key: { by: 'host' } } } })),
  COMPRESS: ofFlag((compress) => ({ options: { compress } })),
  RAWPATH: ofFlag((rawPath) => ({ options: { rawPath } })),
  PASSHOST: ofFlag((passes) => ({ options: passes ? {} : { host: 'server' } })),
  SEGMENTPREFIX: ofFlag((segment) => ({ route: { segment } })),
};

export function ownClaims(unit: LabelUnit, claims: LabelClaims, _rules: LabelRules): LabelClaims {
  const reader = new LabelReader(unit.app);
  const changes = new Map<number, Change[]>();
  for (const key of reader.keys) {
    if (!key.startsWith('ISTHMUS_')) continue;
    const [, index = '', name = ''] = /^ISTHMUS_(\d+)_(.+)$/.exec(key) ?? [];
    const read = Object.hasOwn(reads, name) ? reads[name] : undefined;
    if (read === undefined) reportUnknown(key, name, reader);
    else {
      const change = reader.value(key, read, null);
      if (change !== null) changes.set(Number(index), [...(changes.get(Number(index)) ?? []), change]);
    }
  }
  if (changes.size === 0 && reader.diagnostics.length === 0) return claims;
  const diagnostics = [...claims.diagnostics, ...reader.diagnostics];
  return { ...claims, records: claims.records.map((record) => changed(record, unit, changes)), diagnostics };
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
): ClaimedRecord {
  if (record.kind === 'route') {
    const routes = (changes.get(record.portIndex) ?? []).map((change) => change.route ?? {});
    return Object.freeze(Object.assign({}, record, ...routes) as RouteEntry);
  }
  if (record.kind !== 'options' && record.kind !== 'service') return record;
  const index = Number(record.id.slice(unit.key.length + 1));
  const all = changes.get(index);
  if (all === undefined) return record;
  if (record.kind === 'options')
    return Object.freeze(Object.assign({}, record, ...all.map((change) => change.options ?? {})) as OptionsEntry);
  return changedService(record, all);
}

function changedService(record: ServiceEntry, changes: readonly Change[]): ServiceEntry {
  const timeouts = changes.reduce<ServiceTimeouts>((all, one) => ({ ...all, ...one.timeouts }), record.timeouts ?? {});
  const asked = changes.reduce<Partial<Retries>>((all, one) => ({ ...all, ...one.retries }), {});
  const retries: Retries = { attempts: 2, on: ['connect', 'refused'], ...record.retries, ...asked };
  const broken = changes.reduce<Partial<Breaker>>((all, one) => ({ ...all, ...one.breaker }), {});
  const { expression } = broken;
  const service = changes.reduce<ServiceEntry>((all, one) => ({ ...all, ...one.service }), record);
  return Object.freeze({
    ...service,
    ...(Object.keys(timeouts).length === 0 ? {} : { timeouts }),
    ...(Object.keys(asked).length === 0 ? {} : { retries }),
    ...(expression === undefined ? {} : { breaker: { openMs: 10_000, recoveryMs: 10_000, ...broken, expression } }),
  });
}

function ofDuration(made: (ms: number) => Change): Read {
  return (value) => {
    const ms = durationMs(value.trim());
    return ms === null ? { rejected: `"${value}" is no time`, hint: 'a time such as 500ms, 10s or 1m' } : made(ms);
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
