// What is said to a parent proxy before a connection through it is ours: CONNECT of HTTP/1.1 (RFC 9110 §9.3.6), or SOCKS5 (RFC 1928, 1929).

import { isIPv4, parseIPv6 } from '../../src/cluster/index.ts';
import type { Socket } from 'node:net';
import type { Clock } from '../../src/runtime/index.ts';
import { hostPort } from './address.ts';
import type { FailureReason } from './failure.ts';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface HandshakeRequest {
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials | null;
  readonly withinMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** `isFinal`: the parent works and says this of the target; otherwise it is the parent that does not work. */
export type ParentAnswer = { readonly socket: Socket } | { readonly failure: FailureReason; readonly isFinal: boolean };

/** What a reader makes of the bytes so far: more is needed, octets of them are done and these are to be said, or the end. */
type Step =
  | { readonly kind: 'more' }
  | { readonly kind: 'say'; readonly taken: number; readonly words: Buffer }
  | { readonly kind: 'open'; readonly taken: number }
  | { readonly kind: 'failed'; readonly failure: FailureReason; readonly isFinal: boolean };

type Reader = (bytes: Buffer) => Step;

const more: Step = { kind: 'more' };
const broken: Step = { kind: 'failed', failure: 'bad-answer', isFinal: false };
const mostHeadBytes = 16_384;

export function askHttpParent(socket: Socket, request: HandshakeRequest): Promise<ParentAnswer> {
  const { host, port, credentials } = request;
  const authority = hostPort(host, port);
  const basic =
    credentials === null ? '' : Buffer.from(`${credentials.user}:${credentials.password}`).toString('base64');
  const login = credentials === null ? '' : `Proxy-Authorization: Basic ${basic}\r\n`;
  const head = `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${login}\r\n`;
  return converse(socket, request, Buffer.from(head, 'latin1'), readHttpAnswer);
}

function readHttpAnswer(bytes: Buffer): Step {
  const end = bytes.indexOf('\r\n\r\n');
  if (end < 0) return bytes.length > mostHeadBytes ? broken : more;
  const match = /^HTTP\/1\.[01] (\d{3})(?: |\r\n|$)/.exec(bytes.toString('latin1', 0, end));
  if (match === null) return broken;
  const status = Number(match[1]);
  if (status >= 100 && status < 200 && status !== 101) return { kind: 'say', taken: end + 4, words: Buffer.alloc(0) };
  if (status >= 200 && status < 300) return { kind: 'open', taken: end + 4 };
  return { kind: 'failed', ...reasonOfStatus(status) };
}

/** 407 and 5xx of the parent itself cannot be told from its word about the target, but for these. */
function reasonOfStatus(status: number): { readonly failure: FailureReason; readonly isFinal: boolean } {
  if (status === 403) return { failure: 'denied', isFinal: true };
  if (status === 404 || status === 410) return { failure: 'nonexistent', isFinal: true };
  if (status === 502) return { failure: 'connect-failure', isFinal: true };
  if (status === 504) return { failure: 'connect-timeout', isFinal: true };
  return { failure: 'connect-failure', isFinal: false };
}

export function askSocksParent(socket: Socket, request: HandshakeRequest): Promise<ParentAnswer> {
  const { credentials } = request;
  const method = credentials === null ? 0x00 : 0x02;
  let reader: Reader = (bytes) => {
    if (bytes.length < 2) return more;
    if (bytes[0] !== 0x05 || bytes[1] !== method) return broken;
    reader = credentials === null ? readReply : readLogin;
    return { kind: 'say', taken: 2, words: credentials === null ? requestOf(request) : loginOf(credentials) };
  };
  const readLogin: Reader = (bytes) => {
    if (bytes.length < 2) return more;
    if (bytes[1] !== 0x00) return broken;
    reader = readReply;
    return { kind: 'say', taken: 2, words: requestOf(request) };
  };
  return converse(socket, request, Buffer.from([0x05, 0x01, method]), (bytes) => reader(bytes));
}

function readReply(bytes: Buffer): Step {
  if (bytes.length < 5) return more;
  if (bytes[0] !== 0x05) return broken;
  const lengths: Readonly<Record<number, number>> = { 1: 4, 3: 1 + (bytes[4] ?? 0), 4: 16 };
  const addressLength = lengths[bytes[3] ?? 0];
  if (addressLength === undefined) return broken;
  const reply = bytes[1] ?? 1;
  if (reply !== 0x00) return { kind: 'failed', failure: reasonOfReply(reply), isFinal: reply !== 0x01 };
  const length = 4 + addressLength + 2;
  return bytes.length < length ? more : { kind: 'open', taken: length };
}

function reasonOfReply(reply: number): FailureReason {
  const reasons: Readonly<Record<number, FailureReason>> = {
    2: 'denied',
    3: 'network-unreachable',
    4: 'host-unreachable',
    5: 'refused',
    6: 'connect-timeout',
  };
  return reasons[reply] ?? 'connect-failure';
}

function loginOf({ user, password }: Credentials): Buffer {
  const [name, secret] = [Buffer.from(user).subarray(0, 255), Buffer.from(password).subarray(0, 255)];
  return Buffer.concat([Buffer.from([0x01, name.length]), name, Buffer.from([secret.length]), secret]);
}

function requestOf({ host, port }: HandshakeRequest): Buffer {
  const groups = parseIPv6(host);
  const address = groups?.flatMap((group) => [group >>> 8, group & 0xff]);
  const target =
    address !== undefined
      ? [0x04, ...address]
      : isIPv4(host)
        ? [0x01, ...host.split('.').map(Number)]
        : [0x03, host.length, ...Buffer.from(host, 'latin1')];
  return Buffer.from([0x05, 0x01, 0x00, ...target, port >> 8, port & 0xff]);
}

/** Says `opening`, then what `read` says, until it is done; the socket is destroyed unless it opens. */
function converse(socket: Socket, request: HandshakeRequest, opening: Buffer, read: Reader): Promise<ParentAnswer> {
  return new Promise((resolve) => {
    let pending: Buffer = Buffer.alloc(0);
    const settle = (answer: ParentAnswer): void => {
      deadline.cancel();
      request.signal.removeEventListener('abort', onAbort);
      socket.off('data', onData).off('end', onGone).off('error', onGone).off('close', onGone);
      if (!('socket' in answer)) {
        socket.on('error', () => undefined);
        socket.destroy();
      }
      resolve(answer);
    };
    const fail = (failure: FailureReason, isFinal: boolean): void => settle({ failure, isFinal });
    const onAbort = (): void => fail('aborted', false);
    const onGone = (): void => fail('connect-failure', false);
    const deadline = request.clock.after(request.withinMs, () => fail('connect-timeout', false));
    const onData = (chunk: Buffer): void => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      for (let step = read(pending); step.kind !== 'more'; step = read(pending)) {
        if (step.kind === 'failed') {
          fail(step.failure, step.isFinal);
          return;
        }
        pending = pending.subarray(step.taken);
        if (step.kind === 'open') {
          socket.pause();
          if (pending.length > 0) socket.unshift(pending);
          settle({ socket });
          return;
        }
        if (step.words.length > 0) socket.write(step.words);
      }
    };
    socket.on('data', onData).once('end', onGone).once('error', onGone).once('close', onGone);
    request.signal.addEventListener('abort', onAbort, { once: true });
    if (request.signal.aborted) onAbort();
    else socket.write(opening);
  });
}
