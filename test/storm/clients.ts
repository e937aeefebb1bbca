// The clients of the storm, one function a kind: each does one piece of work on a fresh connection or on a kept one, and rejects with what
// went wrong. Everything is read to its end: a truncated answer is a lost one.

import { createSocket } from 'node:dgram';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { Agent, request, type RequestOptions } from 'node:http';
import { Agent as TlsAgent, request as requestTls } from 'node:https';
import { connect, type Socket } from 'node:net';
import { decode, encode } from 'dns-packet';
import { patient } from './patience.ts';
import type { Targets } from './targets.ts';

/** A failure that knows which task had begun to answer. */
export class Lost extends Error {
  readonly task: string | undefined;

  constructor(message: string, task?: string) {
    super(message);
    this.task = task;
  }
}

/** Resolves to true where the work had to be sent again by rule. */
export type Work = () => Promise<boolean>;

const patienceMs = patient(15_000);

const split = (address: string): { readonly host: string; readonly port: number } => {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at), port: Number(address.slice(at + 1)) };
};

/** One request; on a kept connection that closed under it before a byte came it is sent once more. */
async function ask(
  options: RequestOptions,
  send: typeof request | typeof requestTls,
  accept: number,
): Promise<boolean> {
  try {
    await askOnce(options, send, accept);
    return false;
  } catch (error) {
    if (!(error instanceof Stale)) throw error;
    // Another kept one may be as old.
    await askOnce({ ...options, agent: false }, send, accept);
    return true;
  }
}

class Stale extends Lost {}

function askOnce(options: RequestOptions, send: typeof request | typeof requestTls, accept: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let task: string | undefined;
    const call = send({ ...options, timeout: patienceMs }, (answer) => {
      task = String(answer.headers['x-task'] ?? '') || undefined;
      answer.resume();
      answer.on('error', (error) => reject(new Lost(`truncated: ${error.message}`, task)));
      answer.on('end', () => {
        if (answer.statusCode === accept && answer.complete) resolve();
        else {
          const why = String(answer.headers['proxy-status'] ?? '');
          reject(new Lost(`status ${answer.statusCode ?? 0}${answer.complete ? '' : ', truncated'} ${why}`, task));
        }
      });
    });
    call.on('timeout', () => call.destroy(new Error(`no answer in ${patienceMs} ms`)));
    call.on('error', (error) => {
      // Its agent says `reusedSocket` of some kept connections only: what was read before an answer began is of an earlier one.
      const isKept = call.reusedSocket || (call.socket?.bytesRead ?? 0) > 0;
      reject(isKept && task === undefined && isReset(error) ? new Stale(error.message) : new Lost(error.message, task));
    });
    call.end();
  });
}

const isReset = (error: Error & { code?: string }): boolean => error.code === 'ECONNRESET' || error.code === 'EPIPE';

export function newConnection({ http, host }: Targets): Work {
  return () => ask({ host: '127.0.0.1', port: http, headers: { host }, agent: false }, request, 200);
}

export function keptConnection({ http, host }: Targets): Work {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  return () => ask({ host: '127.0.0.1', port: http, headers: { host }, agent }, request, 200);
}

export function bigAnswer({ http, host }: Targets): Work {
  return () =>
    ask({ host: '127.0.0.1', port: http, path: '/bytes?n=3000000', headers: { host }, agent: false }, request, 200);
}

export function slowAnswer({ http, host }: Targets): Work {
  return () =>
    ask({ host: '127.0.0.1', port: http, path: '/slow?ms=1500', headers: { host }, agent: false }, request, 200);
}

/** Whatever the liar says: that there is an end is all that can be asked for. */
export function liarsAnswer({ http, liar }: Targets): Work {
  return async () => {
    const ended = ask({ host: '127.0.0.1', port: http, headers: { host: liar }, agent: false }, request, 200);
    await ended.catch((error: Lost) => {
      if (error.message.startsWith('no answer')) throw error;
    });
    return false;
  };
}

/** Every other one resumes a session. */
export function overTls({ https, host, ca }: Targets): Work {
  const resuming = new TlsAgent({ maxCachedSessions: 10 });
  let turn = 0;
  return () => {
    const agent = turn++ % 2 === 0 ? false : resuming;
    return ask(
      { host: '127.0.0.1', port: https, headers: { host }, agent, ...{ ca, servername: host } },
      requestTls,
      200,
    );
  };
}

/** Streams of one session; refused ones and those that a GOAWAY did not take go to the next session. */
export function overHttp2({ https, host, ca }: Targets): Work {
  let session: ClientHttp2Session | null = null;
  const current = (): ClientHttp2Session => {
    if (session !== null && !session.closed && !session.destroyed) return session;
    const next = connectHttp2(`https://127.0.0.1:${https}`, { ca, servername: host });
    session = next;
    // A listener a stream.
    next.setMaxListeners(0);
    next.on('error', () => undefined);
    next.on('goaway', () => {
      if (session === next) session = null;
    });
    return next;
  };
  return async () => {
    try {
      await askHttp2(current(), host);
      return false;
    } catch (error) {
      if (!(error instanceof Stale)) throw error;
      session = null;
      await askHttp2(current(), host);
      return true;
    }
  };
}

function askHttp2(session: ClientHttp2Session, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let status = 0;
    let task: string | undefined;
    let isAway = false;
    const went = (_code: number, lastStream: number): void => void (isAway ||= (stream.id ?? Infinity) > lastStream);
    session.once('goaway', went);
    const stream = session.request({ ':path': '/', ':authority': host });
    const fail = (what: string): void => {
      session.off('goaway', went);
      const refused = isAway || stream.rstCode === 7 || what.includes('ERR_HTTP2_GOAWAY_SESSION');
      reject(refused ? new Stale(what) : new Lost(what, task));
    };
    stream.setTimeout(patienceMs, () => stream.destroy(new Error(`no answer in ${patienceMs} ms`)));
    stream.on('response', (headers) => {
      status = headers[':status'] ?? 0;
      task = String(headers['x-task'] ?? '') || undefined;
    });
    stream.resume();
    stream.on('error', (error: Error & { code?: string }) => fail(`${error.code ?? ''} ${error.message}`));
    stream.on('close', () => {
      session.off('goaway', went);
      if (status === 200 && stream.rstCode === 0) resolve();
      else fail(`status ${status}, reset code ${stream.rstCode}`);
    });
  });
}

/** Over UDP, from a port of its own; the name is that of tasks of which one lives at any time. */
export function dnsQuery({ dns, taskName }: Targets): Work {
  let id = 0;
  return () =>
    new Promise((resolve, reject) => {
      id = (id + 1) & 0xffff;
      const socket = createSocket('udp4');
      const end = (action: () => void): void => {
        clearTimeout(timer);
        socket.close();
        action();
      };
      const timer = setTimeout(() => end(() => reject(new Lost(`no answer in ${patienceMs} ms`))), patienceMs);
      socket.on('error', (error) => end(() => reject(new Lost(error.message))));
      socket.on('message', (bytes) => {
        const { rcode = '', answers = [] } = decode(bytes) as { rcode?: string; answers?: readonly unknown[] };
        const isGood = rcode === 'NOERROR' && answers.length > 0;
        end(() => (isGood ? resolve(false) : reject(new Lost(`${rcode} with ${answers.length} answers`))));
      });
      const questions = [{ type: 'A' as const, name: taskName }];
      socket.send(encode({ type: 'query', id, flags: 256, questions }), dns, '127.0.0.1');
    });
}

export function throughVip({ vip }: Targets): Work {
  return () => ask({ ...split(vip), headers: { host: 'any' }, agent: false }, request, 200);
}

export function throughSocks({ socks, vipName }: Targets): Work {
  return async () => {
    const socket = await socksTunnel(socks, vipName);
    return ask({ createConnection: () => socket, headers: { host: 'any', connection: 'close' } }, request, 200);
  };
}

export function throughProxy({ httpProxy, vipName }: Targets): Work {
  return async () => {
    const socket = await dial(httpProxy);
    socket.write(`CONNECT ${vipName} HTTP/1.1\r\nHost: ${vipName}\r\n\r\n`);
    const head = await firstBytes(socket);
    if (!/^HTTP\/1\.1 200/.test(head.toString('latin1')))
      throw ended(socket, `CONNECT: ${head.toString('latin1').split('\r\n')[0] ?? ''}`);
    return ask({ createConnection: () => socket, headers: { host: 'any', connection: 'close' } }, request, 200);
  };
}

export async function socksTunnel(port: number, target: string): Promise<Socket> {
  const { host, port: targetPort } = split(target);
  const socket = await dial(port);
  socket.write(Buffer.from([5, 1, 0]));
  const method = await firstBytes(socket);
  if (method[1] !== 0) throw ended(socket, `method ${method.toString('hex')}`);
  const name = Buffer.from(host);
  socket.write(
    Buffer.concat([Buffer.from([5, 1, 0, 3, name.length]), name, Buffer.from([targetPort >> 8, targetPort & 255])]),
  );
  const reply = await firstBytes(socket);
  if (reply[1] !== 0) throw ended(socket, `reply ${reply[1] ?? -1}`);
  return socket;
}

function ended(socket: Socket, what: string): Lost {
  socket.destroy();
  return new Lost(what);
}

function dial(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket));
    socket.on('error', (error) => reject(new Lost(error.message)));
  });
}

/** What comes first, in one read: short answers of a proxy on loopback come whole. */
export function firstBytes(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => fail(new Error(`no answer in ${patienceMs} ms`)), patienceMs);
    const done = (): void => {
      clearTimeout(timer);
      socket.off('data', take).off('error', fail).off('close', closed);
    };
    const take = (bytes: Buffer): void => {
      done();
      resolve(bytes);
    };
    const fail = (error: Error): void => {
      done();
      socket.destroy();
      reject(new Lost(error.message));
    };
    const closed = (): void => fail(new Error('closed without an answer'));
    socket.on('data', take).on('error', fail).on('close', closed);
  });
}
