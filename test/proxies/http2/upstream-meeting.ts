// A pool in front of a backend that writes frames, and requests that write down what they are told.

import type { Test } from 'tap';
import { createAnyPool } from '../../../proxies/http2/index.ts';
import type { UpstreamFailure, UpstreamPool, UpstreamUser } from '../../../proxies/http1/index.ts';
import type { Http2UpstreamLimits } from '../../../proxies/http2/upstream-limits.ts';
import { systemClock } from '../../../src/runtime/index.ts';
import { until } from '../router/scene.ts';
import { openFrameBackend, type FrameBackend, type OnRequest } from './frame-backend.ts';

/** A request that writes down what it is told. */
export class Asker implements UpstreamUser {
  readonly heard: string[] = [];
  failure: UpstreamFailure | null = null;
  readonly #body: number;
  readonly #method: string;

  constructor(method = 'GET', body = 0) {
    this.#method = method;
    this.#body = body;
  }

  get isOver(): boolean {
    return this.failure !== null || this.heard.includes('end');
  }

  onUpstreamReady: UpstreamUser['onUpstreamReady'] = (call) => {
    call.sendHead(`${this.#method} / HTTP/1.1\r\nHost: a\r\n\r\n`, this.#method, this.#body > 0, '');
    if (this.#body > 0) call.sendBody(Buffer.alloc(this.#body), 0, this.#body);
    call.endRequest(null);
  };
  onAnswer: UpstreamUser['onAnswer'] = ({ status, framing }) => {
    this.heard.push(`${status} ${framing}`);
    return false;
  };
  onAnswerBody: UpstreamUser['onAnswerBody'] = (_bytes, from, to) => {
    this.heard.push(`body ${to - from}`);
    return true;
  };
  onAnswerEnd: UpstreamUser['onAnswerEnd'] = (trailers) => {
    if (trailers !== null) this.heard.push(`trailers ${trailers.text.trim()}`);
    this.heard.push('end');
  };
  onInformational: UpstreamUser['onInformational'] = ({ status }) => void this.heard.push(String(status));
  onUpstreamFailed: UpstreamUser['onUpstreamFailed'] = (failure) => (this.failure = failure);
  onUpstreamWritable: UpstreamUser['onUpstreamWritable'] = () => undefined;
  onSwitched: UpstreamUser['onSwitched'] = () => undefined;
  onReadEnd: UpstreamUser['onReadEnd'] = () => undefined;
}

interface Meeting {
  readonly pool: UpstreamPool;
  readonly backend: FrameBackend;
  ask(asker?: Asker): Asker;
  /** Asks and waits for the end. */
  whole(asker?: Asker): Promise<Asker>;
}

export async function meet(
  t: Test,
  onRequest: OnRequest,
  greeting?: Buffer,
  http2: Partial<Http2UpstreamLimits> = {},
): Promise<Meeting> {
  const backend = await openFrameBackend(t, onRequest, greeting);
  const pool = createAnyPool({ clock: systemClock, http2 });
  t.teardown(() => pool.destroy());
  const target = { key: 'a', host: '127.0.0.1', port: backend.port, http2: {} };
  const ask = (asker = new Asker()): Asker => {
    pool.acquire(target, asker);
    return asker;
  };
  return {
    pool,
    backend,
    ask,
    async whole(asker) {
      const asked = ask(asker);
      await until(() => asked.isOver);
      return asked;
    },
  };
}
