// A probe: one look at one backend, with a deadline. Never rejects, leaves no socket behind.

import { createSocket } from 'node:dgram';
import { request as httpRequest, type ClientRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect, isIP, isIPv6 } from 'node:net';
import { messageOf, codeOf, type Clock } from '../../src/runtime/index.ts';
import { timeoutOf, type CheckRule } from './check-rule.ts';
import { lookByHttp2 } from './probe-http2.ts';

export interface Endpoint {
  readonly ip: string;
  readonly port: number;
}

/** Why it failed, in a few words for people; null: it passed; undefined: we could not ask, for a lack of our own. */
export type ProbeResult = string | null | undefined;

export type Probe = (at: Endpoint, rule: CheckRule) => Promise<ProbeResult>;

/** Long enough for a closed port to be reported, on the way of which no answer is a good sign. */
const silenceMs = 1_000;

export function createProbe(clock: Clock): Probe {
  return (at, rule) =>
    new Promise((resolve) => {
      let isOver = false;
      const settle = (result: ProbeResult): void => {
        if (isOver) return;
        isOver = true;
        timer.cancel();
        close();
        resolve(result);
      };
      const limitMs = timeoutOf(rule);
      const timer =
        rule.kind === 'udp'
          ? clock.after(Math.min(limitMs, silenceMs), () => settle(null))
          : clock.after(limitMs, () => settle(`no answer within ${limitMs} ms`));
      const close = begin(at, rule, settle);
    });
}

type Settle = (result: ProbeResult) => void;

/** Returns how to end it. */
function begin(at: Endpoint, rule: CheckRule, settle: Settle): () => void {
  if (rule.kind === 'udp') return probeUdp(at, settle);
  return rule.kind === 'http' ? probeHttp(at, rule, settle) : probeTcp(at, settle);
}

function probeTcp({ ip, port }: Endpoint, settle: Settle): () => void {
  const socket = connect({ host: ip, port });
  socket.once('connect', () => settle(null));
  socket.on('error', (error) => settle(reasonOf(error)));
  return () => void socket.destroy();
}

function probeHttp(at: Endpoint, rule: CheckRule, settle: Settle): () => void {
  if (rule.http2 === true) return probeHttp2(at, rule, settle);
  let request: ClientRequest;
  try {
    request = rule.secure === true ? httpsRequest(tlsOptions(at, rule)) : httpRequest(requestOptions(at, rule));
  } catch (error) {
    // A path or field that Node refuses to write.
    queueMicrotask(() => settle(messageOf(error)));
    return () => undefined;
  }
  request.on('response', ({ statusCode = 0 }) => {
    settle(isExpected(statusCode, rule) ? null : `it answered ${statusCode}`);
  });
  // It answered, and more than is asked of a check.
  request.on('upgrade', () => settle(isExpected(101, rule) ? null : 'it answered 101'));
  request.on('error', (error) => settle(reasonOf(error)));
  request.end();
  return () => void request.destroy();
}

function probeHttp2(at: Endpoint, rule: CheckRule, settle: Settle): () => void {
  const { method = 'GET', path = '/', headers = {}, secure } = rule;
  const tls = secure === true ? { servername: serverNameOf(rule) } : null;
  try {
    return lookByHttp2(
      { ...at, authority: hostOf(at, rule), tls, method, path, headers: { 'user-agent': agent, ...headers } },
      (status) => settle(isExpected(status, rule) ? null : `it answered ${status}`),
      (error) => settle(reasonOf(error)),
    );
  } catch (error) {
    queueMicrotask(() => settle(messageOf(error)));
    return () => undefined;
  }
}

const agent = 'isthmus-check';

const hostOf = ({ ip, port }: Endpoint, { host }: CheckRule): string =>
  host ?? (isIPv6(ip) ? `[${ip}]:${port}` : `${ip}:${port}`);

function requestOptions(at: Endpoint, rule: CheckRule): RequestOptions {
  const { ip, port } = at;
  const headers = { 'user-agent': agent, host: hostOf(at, rule), connection: 'close', ...rule.headers };
  return { host: ip, port, method: rule.method ?? 'GET', path: rule.path ?? '/', agent: false, headers };
}

/** Tasks bring certificates of their own making: the check asks whether they serve, not who they are. */
function tlsOptions(at: Endpoint, rule: CheckRule): RequestOptions & { readonly rejectUnauthorized: false } {
  const name = serverNameOf(rule);
  const servername = name === '' ? {} : { servername: name };
  return { ...requestOptions(at, rule), ...servername, rejectUnauthorized: false };
}

/** Of the host that is asked for; '' where that is none or an address. */
function serverNameOf({ host }: CheckRule): string {
  const name = host?.replace(/:\d+$/, '') ?? '';
  return isIP(name) === 0 ? name : '';
}

function isExpected(status: number, { expectedStatus = [[200, 399]] }: CheckRule): boolean {
  return expectedStatus.some(([from, to]) => status >= from && status <= to);
}

/** An empty datagram: a host without the port says so, any answer or none is fine. */
function probeUdp({ ip, port }: Endpoint, settle: Settle): () => void {
  const socket = createSocket(isIPv6(ip) ? 'udp6' : 'udp4');
  let isOpen = true;
  socket.on('error', (error) => settle(reasonOf(error)));
  socket.once('message', () => settle(null));
  socket.connect(port, ip, () => {
    if (isOpen) socket.send(Buffer.alloc(0));
  });
  return () => {
    isOpen = false;
    socket.close();
  };
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'it closed the connection without an answer',
  EHOSTUNREACH: 'there is no way to its machine',
  ENETUNREACH: 'there is no way to its network',
  ETIMEDOUT: 'its machine does not answer',
};

const ourFaults: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'EADDRNOTAVAIL']);

const reasonOf = (error: Error): ProbeResult =>
  ourFaults.has(codeOf(error)) ? undefined : (reasons[codeOf(error)] ?? messageOf(error));
