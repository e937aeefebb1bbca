// Copies of requests for another app, behind the back of whoever asked: sent once the request has gone to its backend, never twice, dropped
// first where there is much to do; what comes back is read and forgotten (specs/l7.md §7.2).

import type { Clock, Random } from '../../src/runtime/index.ts';
import {
  createUpstreamPool,
  isWebSocketHandshake,
  type FieldList,
  type RequestView,
  type UpstreamPool,
  type UpstreamUser,
  type Waiting,
} from '../http1/index.ts';
import { isIdempotent } from './acquire-options.ts';
import { BodyReplay } from './body-replay.ts';
import { Forwarding } from './forwarding.ts';
import type { Service } from './service.ts';
import type { Mirror } from './traffic-record.ts';
import { upstreamHead, type HeadWriter } from './upstream-head.ts';

/** Copies under way in one worker. */
const mostCopies = 64;
const mostBodyBytes = 64 * 1024;
const field = 'X-Isthmus-Mirror: 1\r\n';

export interface MirrorTools {
  readonly clock: Clock;
  readonly random: Random;
  readonly serviceOf: (id: string) => Service;
  /** `dropped`: nothing was sent. */
  readonly count: (result: 'answered' | 'failed' | 'dropped') => void;
}

interface Copy {
  readonly head: string;
  readonly method: string;
  readonly chunked: boolean;
  readonly body: BodyReplay;
  readonly host: string;
}

export class Mirrors {
  readonly pool: UpstreamPool;
  readonly #tools: MirrorTools;
  #underWay = 0;

  constructor(tools: MirrorTools) {
    this.#tools = tools;
    this.pool = createUpstreamPool({
      clock: tools.clock,
      limits: { connectionsPerBackend: 16, idlePerBackend: 4, queued: 16 },
      timeouts: { connectMs: 1_000, queueMs: 1_000, responseMs: 10_000, answerMs: 10_000 },
    });
  }

  /** Whether a request is one of the share that is copied. A copy is none. */
  takes(mirror: Mirror, request: RequestView): boolean {
    if (this.#tools.random() * 100 >= mirror.percent) return false;
    if (mirror.allMethods !== true && !isIdempotent(request.method)) return false;
    if (request.contentLength > mostBodyBytes || isWebSocketHandshake(request)) return false;
    return request.fields.get('x-isthmus-mirror') === null;
  }

  send(mirror: Mirror, copy: Copy): void {
    const { serviceOf, random, count } = this.#tools;
    const service = serviceOf(mirror.set);
    const backend = service.picker.pick({ hash: (random() * 0x1_0000_0000) >>> 0, tried: null });
    if (backend === null || this.#underWay >= mostCopies) {
      count('dropped');
      return;
    }
    this.#underWay++;
    const tally = service.picker.started(backend);
    const end = (result: 'answered' | 'failed' | 'dropped'): void => {
      this.#underWay--;
      tally.ended();
      count(result);
    };
    // Not before what the request itself has to do now.
    setImmediate(() => new Sending(copy, end).start(this.pool, service.targetOf(backend, copy.host)));
  }
}

/** One copy on its way. */
class Sending implements UpstreamUser {
  readonly #copy: Copy;
  readonly #end: (result: 'answered' | 'failed' | 'dropped') => void;

  constructor(copy: Copy, end: (result: 'answered' | 'failed' | 'dropped') => void) {
    this.#copy = copy;
    this.#end = end;
  }

  start(pool: UpstreamPool, target: Parameters<UpstreamPool['acquire']>[0]): Waiting | null {
    return pool.acquire(target, this);
  }

  onUpstreamReady(call: Parameters<UpstreamUser['onUpstreamReady']>[0]): void {
    const { head, method, chunked, body } = this.#copy;
    call.sendHead(head, method, chunked, '');
    body.send(call);
    call.endRequest(null);
    call.flush();
  }

  onUpstreamWritable(): void {}
  onInformational(): void {}
  onReadEnd(): void {}
  onSwitched(): void {}

  onAnswer(): boolean {
    return false;
  }

  onAnswerBody(): boolean {
    return true;
  }

  onAnswerEnd(): void {
    this.#end('answered');
  }

  onUpstreamFailed({ reason }: Parameters<UpstreamUser['onUpstreamFailed']>[0]): void {
    this.#end(reason === 'queue' ? 'dropped' : 'failed');
  }
}

/** A request of which a copy goes to a mirror. */
export class MirroredForwarding extends Forwarding {
  readonly #body = new BodyReplay();
  readonly #mirrors: Mirrors;
  readonly #mirror: Mirror;
  readonly #writer: HeadWriter;

  constructor(mirrors: Mirrors, mirror: Mirror, ...request: ConstructorParameters<typeof Forwarding>) {
    super(...request);
    this.#writer = request[0];
    this.#mirrors = mirrors;
    this.#mirror = mirror;
  }

  override onRequestBody(bytes: Buffer, from: number, to: number): void {
    this.#body.keep(bytes, from, to);
    super.onRequestBody(bytes, from, to);
  }

  override onRequestEnd(trailers: FieldList | null): void {
    super.onRequestEnd(trailers);
    if (this.#body.isLost) return;
    const { request } = this.exchange;
    const { method, chunked, host } = request;
    const head = copiedHead(upstreamHead(this, this.#writer, false), this.#mirror);
    this.#mirrors.send(this.#mirror, { head, method, chunked, body: this.#body, host });
  }
}

/** `Host: shop.example:8080` is `Host: shop-shadow.example:8080` with the suffix `-shadow`. */
function copiedHead(head: string, { hostSuffix }: Mirror): string {
  const marked = head.replace('\r\n', `\r\n${field}`);
  if (hostSuffix === undefined) return marked;
  return marked.replace(/\r\nHost: ([a-z0-9_-]+)(?=[.:\r])/i, (line) => `${line}${hostSuffix}`);
}
