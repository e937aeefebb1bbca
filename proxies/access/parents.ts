// Parent proxies: lists by name, each tried in its order, those that failed lately last. One that is gone costs the first few connections
// some time and the later ones nothing.

import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Cell, Clock, Logger, Metrics } from '../../src/runtime/index.ts';
import type { Resolver } from '../../src/ports/index.ts';
import { canonicalIp, hostPort } from './address.ts';
import type { FailureReason } from './failure.ts';
import { askHttpParent, askSocksParent, type Credentials, type ParentAnswer } from './parent-handshake.ts';
import { race } from './race.ts';
import type { LoopCheck } from './ranges.ts';

export interface ParentProxy {
  readonly scheme: 'http' | 'https' | 'socks5';
  /** A name or an address, without brackets. */
  readonly host: string;
  readonly port: number;
  readonly user: string | null;
  readonly password: string | null;
}

/** Lists of parents by the name that `via` of a rule says. */
export type ParentLists = Readonly<Record<string, readonly ParentProxy[]>>;

export interface ParentRequest {
  readonly list: string;
  /** A canonical name, which the parent resolves, or an address. */
  readonly host: string;
  readonly port: number;
  /** Ends the attempt; its reason `connect-timeout` is told as such. */
  readonly signal: AbortSignal;
}

export interface ThroughParent {
  /** Paused, with what came early put back; the caller's. */
  readonly socket: Socket;
  /** For logs: `http://px1.corp.example:8080`, without credentials. */
  readonly parent: string;
}

export interface Parents {
  readonly names: ReadonlySet<string>;
  /** Never rejects. A parent's answer about the target is final; a parent that does not work gives way to the next of its list. */
  connect(request: ParentRequest): Promise<ThroughParent | { readonly failure: FailureReason }>;
}

export interface ParentsOptions {
  readonly lists: ParentLists;
  readonly resolver: Resolver;
  /** One of our own listeners is nobody's parent. */
  readonly isLoop: LoopCheck;
  /** One connect attempt to a parent, and its handshake. */
  readonly connectMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Prefix of the metric. */
  readonly subsystem: string;
}

/** After so many failures in a row a parent is passed over for a while, unless there is no other. */
const mostFailures = 3;
const outMs = 30_000;

interface Member extends ParentProxy {
  readonly text: string;
  readonly up: Cell;
  failures: number;
  outUntil: number;
}

export function createParents(options: ParentsOptions): Parents {
  const { clock } = options;
  const up = options.metrics.gauge(
    `${options.subsystem}_parent_up`,
    'Whether a parent proxy is in use (1) or passed over after failures (0).',
    ['list', 'parent'],
    'max',
  );
  const lists = new Map(
    Object.entries(options.lists).map(([name, parents]) => [
      name,
      parents.map((parent) => memberOf(parent, (text) => up.cell(name, text))),
    ]),
  );
  return {
    names: new Set(lists.keys()),
    async connect(request) {
      let failure: FailureReason = 'connect-failure';
      for (const member of inOrder(lists.get(request.list) ?? [], clock.monotonic())) {
        const answer = await tryParent(member, request, options);
        if ('socket' in answer) {
          recover(member);
          return { socket: answer.socket, parent: member.text };
        }
        if (answer.isFinal) recover(member);
        else if (answer.failure !== 'aborted') note(member, options);
        failure = answer.failure;
        if (answer.isFinal || request.signal.aborted) break;
      }
      const isLate = request.signal.aborted && request.signal.reason === 'connect-timeout';
      return { failure: isLate ? 'connect-timeout' : failure };
    },
  };
}

function memberOf(parent: ParentProxy, cellOf: (text: string) => Cell): Member {
  const text = `${parent.scheme}://${hostPort(parent.host, parent.port)}`;
  const up = cellOf(text);
  up.value = 1;
  return { ...parent, text, up, failures: 0, outUntil: 0 };
}

/** As listed; those that are out come last, the one that has been out longest first. */
function inOrder(members: readonly Member[], now: number): readonly Member[] {
  const isOut = (member: Member): boolean => member.outUntil > now;
  const out = members.filter(isOut).sort((a, b) => a.outUntil - b.outUntil);
  return [...members.filter((member) => !isOut(member)), ...out];
}

function recover(member: Member): void {
  member.failures = 0;
  member.outUntil = 0;
  member.up.value = 1;
}

function note(member: Member, { clock, log }: ParentsOptions): void {
  member.failures++;
  if (member.failures < mostFailures) return;
  member.outUntil = clock.monotonic() + outMs;
  if (member.up.value === 1)
    log.warn({ parent: member.text, outMs }, 'a parent proxy fails and is passed over for now');
  member.up.value = 0;
}

async function tryParent(member: Member, request: ParentRequest, options: ParentsOptions): Promise<ParentAnswer> {
  const opened = await openParent(member, request.signal, options);
  if ('failure' in opened) return { failure: opened.failure, isFinal: false };
  const credentials: Credentials | null =
    member.user === null ? null : { user: member.user, password: member.password ?? '' };
  const ask = member.scheme === 'socks5' ? askSocksParent : askHttpParent;
  const { clock, connectMs } = options;
  return ask(opened.socket, { ...request, credentials, clock, withinMs: connectMs });
}

async function openParent(
  member: Member,
  signal: AbortSignal,
  options: ParentsOptions,
): Promise<{ readonly socket: Socket } | { readonly failure: FailureReason }> {
  const addresses = (await addressesOf(member.host, signal, options)).filter((ip) => !options.isLoop(ip, member.port));
  if (addresses.length === 0) return { failure: 'connect-failure' };
  const connect = (ip: string, port: number): Socket => {
    const plain = connectPlain({ host: ip, port, allowHalfOpen: true, noDelay: true });
    return member.scheme === 'https' ? secured(plain, member.host) : plain;
  };
  // A TLS socket says `connect` before its handshake; that is part of the parent's answer then, and within its time.
  return race(addresses, member.port, { connect, clock: options.clock, connectMs: options.connectMs, signal });
}

function secured(plain: Socket, host: string): Socket {
  const servername = canonicalIp(host) === null ? { servername: host } : { host };
  const socket = connectTls({ socket: plain, ...servername, ALPNProtocols: ['http/1.1'] });
  plain.on('error', (error) => socket.destroy(error));
  return socket;
}

async function addressesOf(
  host: string,
  signal: AbortSignal,
  { resolver }: ParentsOptions,
): Promise<readonly string[]> {
  const literal = canonicalIp(host);
  if (literal !== null) return [literal];
  const found = resolver.lookup(host) ?? (await resolver.resolve(host, signal));
  return 'failure' in found ? [] : found.addresses.flatMap((address) => canonicalIp(address) ?? []);
}
