// One HTTP call to a master, with a limit on every wait, up to the answer's head. The body is the caller's.

import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { IsthmusError, type Clock, type Timer } from '../../runtime/index.ts';
import type { TlsFields } from '../credentials.ts';

const keepAliveMs = 15_000;

export interface Call {
  readonly method: 'GET' | 'POST';
  readonly url: URL;
  /** JSON text of a POST. */
  readonly body: string | null;
  readonly authorization: string | null;
  readonly tls: TlsFields;
  readonly clock: Clock;
  readonly connectMs: number;
  /** From the connection to the answer's head. */
  readonly firstByteMs: number;
  readonly signal: AbortSignal;
}

/** The answer, paused. Rejects with UPSTREAM_TIMEOUT, or with what the socket says. After that `signal` still cuts the body. */
export function open(call: Call): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request =
      call.url.protocol === 'https:' ? httpsRequest(call.url, fieldsOf(call)) : httpRequest(call.url, fieldsOf(call));
    let timer: Timer = call.clock.after(call.connectMs, () => fail('connect'));
    const fail = (phase: string): void => {
      const message = `${call.url.host} did not ${phase === 'connect' ? 'accept a connection' : 'answer'} in time`;
      request.destroy(new IsthmusError('UPSTREAM_TIMEOUT', message, { side: 'upstream', retryable: true }));
    };
    const connected = (): void => {
      timer.cancel();
      timer = call.clock.after(call.firstByteMs, () => fail('answer'));
    };
    request.on('socket', (socket) => {
      socket.setKeepAlive(true, keepAliveMs);
      socket.once(call.url.protocol === 'https:' ? 'secureConnect' : 'connect', connected);
    });
    request.on('response', (response) => {
      timer.cancel();
      resolve(response);
    });
    request.on('error', (error) => {
      timer.cancel();
      reject(error);
    });
    request.end(call.body ?? undefined);
  });
}

/** Content-Type without charset: a master takes nothing else (specs/orchestrator.md §1.1). */
function fieldsOf(call: Call): RequestOptions & TlsFields {
  const body =
    call.body === null ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(call.body) };
  const authorization = call.authorization === null ? {} : { Authorization: call.authorization };
  return {
    method: call.method,
    agent: false,
    signal: call.signal,
    headers: { Accept: 'application/json', Connection: 'close', ...body, ...authorization },
    ...call.tls,
  };
}
