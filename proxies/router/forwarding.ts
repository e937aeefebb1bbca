// One request on its way: to a backend, to another if that fails before an answer, and the answer back. The state of a request is here and
// nowhere else.

import type { Socket } from 'node:net';
import type { Backend } from '../../src/cluster/index.ts';
import type { PickRequest } from '../../src/ports/index.ts';
import {
  fieldId,
  isWebSocketHandshake,
  switchingHead,
  upgradeLines,
  type AcquireOptions,
  type ClientLoss,
  type Deadline,
  type Exchange,
  type ExchangeHandler,
  type FieldList,
  type Lease,
  type ResponseHead,
  type UpstreamConnection,
  type UpstreamFailure,
  type UpstreamUser,
  type Waiting,
} from '../http1/index.ts';
import { dropsTrusted, dropsUntrusted, forwardingLines } from './forwarding-fields.ts';
import type { CompiledRoute } from './route-plane.ts';
import { routerError } from './router-answers.ts';
import type { RouterCore } from './router-core.ts';

/** Tries on different backends, the first included (specs/l7.md §3.10). */
const mostTries = 3;

/** Of a request body, kept while it streams, so that the request can be sent again. */
const replayBytes = 64 * 1024;

const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

export class Forwarding implements ExchangeHandler, UpstreamUser, Deadline {
  /** Of the whole request, where it has one. */
  deadlineAt = Infinity;
  readonly exchange: Exchange;
  readonly requestId: string;
  readonly route: CompiledRoute;
  readonly startedMs: number;
  backend: Backend | null = null;
  retries = 0;

  readonly #core: RouterCore;
  readonly #upgrade: boolean;
  readonly #chunked: boolean;
  #head = '';
  #waiting: Waiting | null = null;
  #connection: UpstreamConnection | null = null;
  #tried: Set<string> | null = null;
  #tries = 0;
  #renewed = false;
  /** The body so far; null once it is too much to keep. */
  #replay: Buffer[] | null = [];
  #replayed = 0;
  #bodyEnded = false;
  #trailers: FieldList | null = null;
  #status = 0;
  #over = false;

  constructor(core: RouterCore, exchange: Exchange, route: CompiledRoute, requestId: string, startedMs: number) {
    this.#core = core;
    this.exchange = exchange;
    this.route = route;
    this.requestId = requestId;
    this.startedMs = startedMs;
    this.#upgrade = isWebSocketHandshake(exchange.request);
    this.#chunked = exchange.request.chunked;
  }

  /** Chooses a backend and sends the request there, or answers that there is none. */
  start(): void {
    this.exchange.handle(this);
    this.#core.watch(this);
    this.#try(503);
  }

  /** The whole request took too long. */
  onDeadline(): void {
    if (this.#over) return;
    this.#letGo();
    if (this.#status !== 0) this.#cut('timeout_request');
    else this.#fail(504, 'timeout_request');
  }

  // The client.

  onRequestBody(bytes: Buffer, from: number, to: number): void {
    if (this.#replay !== null) this.#keep(bytes, from, to);
    if (this.#connection?.sendBody(bytes, from, to) === false) this.exchange.pauseBody();
  }

  onRequestEnd(trailers: FieldList | null): void {
    this.#bodyEnded = true;
    this.#trailers = trailers;
    this.#connection?.endRequest(trailers);
  }

  onClientWritable(): void {
    this.#connection?.resume();
  }

  onClientLost(loss: ClientLoss): void {
    this.#letGo();
    // What was refused for its body is told to the client by the front; only who left gets 499.
    this.#end(lossStatus[loss], loss === 'gone' ? 'client_abort' : loss);
  }

  // The backend.

  onUpstreamReady(connection: UpstreamConnection): void {
    const { exchange } = this;
    const { request } = exchange;
    this.#waiting = null;
    this.#connection = connection;
    if (this.#head === '') this.#head = this.#buildHead();
    connection.sendHead(this.#head, request.method, this.#chunked, this.#upgrade ? 'websocket' : '');
    if (this.#replay !== null) for (const bytes of this.#replay) connection.sendBody(bytes, 0, bytes.length);
    if (this.#bodyEnded) connection.endRequest(this.#trailers);
    else {
      if (request.expectsContinue) exchange.sendContinue();
      exchange.resumeBody();
    }
    connection.flush();
  }

  onUpstreamWritable(): void {
    if (!this.#bodyEnded) this.exchange.resumeBody();
  }

  onInformational(head: ResponseHead): void {
    if (head.status !== 100) this.exchange.relayInformational(head);
  }

  onAnswer(head: ResponseHead): boolean {
    this.#status = head.status;
    this.#replay = null;
    const hasId = head.fields.indexOf(fieldId.xRequestId) >= 0;
    return this.exchange.startAnswer(head, hasId ? '' : `X-Request-Id: ${this.requestId}\r\n`);
  }

  onSwitched(head: ResponseHead, upstream: Socket, early: Buffer): void {
    this.#connection = null;
    const extra = head.fields.indexOf(fieldId.xRequestId) >= 0 ? '' : `X-Request-Id: ${this.requestId}\r\n`;
    const { socket, early: sentAhead } = this.exchange.switchProtocol(switchingHead(head, extra));
    this.#over = true;
    this.#core.unwatch(this);
    if (early.length > 0) socket.write(early);
    if (sentAhead.length > 0) upstream.write(sentAhead);
    this.#core.openTunnel(this, socket, upstream);
  }

  onAnswerBody(bytes: Buffer, from: number, to: number, lease: Lease | null): boolean {
    return this.exchange.writeAnswer(bytes, from, to, lease);
  }

  onAnswerEnd(trailers: FieldList | null): void {
    this.#connection = null;
    if (this.#over) return;
    this.#end(this.#status, 'ok');
    this.exchange.endAnswer(trailers);
  }

  onReadEnd(): void {
    this.exchange.flush();
  }

  onUpstreamFailed(failure: UpstreamFailure): void {
    const connection = this.#connection;
    this.#connection = null;
    this.#waiting = null;
    if (this.#over) return;
    this.#core.metrics.countFailure(failure.reason);
    this.#core.log.debug(
      { requestId: this.requestId, backend: this.backend?.key, reason: failure.reason },
      failure.message,
    );
    if (this.#status !== 0) this.#cut(outcomeOf(failure));
    else if (connection === null && failure.reason !== 'queue') this.#retryElsewhere(503);
    else if (failure.reason === 'reset' && this.#canRepeat(failure)) this.#repeat(connection?.reused === true);
    else this.#fail(statusOf(failure), outcomeOf(failure));
  }

  // Tries.

  /** `otherwise`: the status where no backend is left. */
  #try(otherwise: number): void {
    const request = this.#core.pickRequest;
    request.hash = this.#core.randomHash();
    request.tried = this.#tried;
    const backend = this.#tries < mostTries ? this.route.pick(request satisfies PickRequest) : null;
    if (backend === null) {
      this.#fail(otherwise, this.#tries === 0 ? 'no_server' : otherwise === 503 ? 'connect_failed' : 'reset');
      return;
    }
    this.#tries++;
    this.backend = backend;
    this.#acquire(
      backend,
      this.#upgrade ? upgradable : idempotent.has(this.exchange.request.method) ? pooled : careful,
    );
  }

  #acquire(backend: Backend, options: AcquireOptions): void {
    const waiting = this.#core.pool.acquire(this.#core.targetOf(backend), this, options);
    // Where an idle connection was there, or nothing may wait, all has been said in the call.
    if (waiting !== null && this.#connection === null && !this.#over) this.#waiting = waiting;
  }

  #retryElsewhere(otherwise: number): void {
    if (this.backend !== null) (this.#tried ??= new Set()).add(this.backend.key);
    this.retries++;
    this.#try(otherwise);
  }

  /** RFC 9110 §9.2.2: what does the same twice may be sent twice, if all of it is still here. */
  #canRepeat({ isUnsent }: UpstreamFailure): boolean {
    if (this.#replay === null || this.#upgrade) return false;
    return isUnsent === true || idempotent.has(this.exchange.request.method);
  }

  /** A kept connection that the backend had closed says nothing about the backend: the same one is asked once more, freshly. */
  #repeat(wasReused: boolean): void {
    if (!this.#bodyEnded) this.exchange.pauseBody();
    if (!wasReused || this.#renewed || this.backend === null) {
      this.#retryElsewhere(502);
      return;
    }
    this.#renewed = true;
    this.retries++;
    this.#acquire(this.backend, fresh);
  }

  #keep(bytes: Buffer, from: number, to: number): void {
    this.#replayed += to - from;
    if (this.#replayed > replayBytes) this.#replay = null;
    else this.#replay?.push(bytes.subarray(from, to));
  }

  #buildHead(): string {
    const { request, peer } = this.exchange;
    const drops = peer.trusted ? dropsTrusted : dropsUntrusted;
    const lines = `${request.method} ${request.forwardTarget} HTTP/1.1\r\nHost: ${request.authority}\r\n`;
    const kept = request.fields.kept(drops, request.named);
    const framing = this.#chunked
      ? 'Transfer-Encoding: chunked\r\n'
      : request.contentLength >= 0
        ? `Content-Length: ${request.contentLength}\r\n`
        : '';
    const hop = this.#upgrade
      ? upgradeLines('websocket')
      : this.#chunked && hasTrailers(request.fields)
        ? 'TE: trailers\r\nConnection: TE\r\n'
        : '';
    return `${lines}${kept}${forwardingLines(request, peer, this.#core.trusted)}X-Request-Id: ${this.requestId}\r\n${framing}${hop}\r\n`;
  }

  // The end.

  /** Answers with an error of ours. */
  #fail(status: number, outcome: string): void {
    const { exchange } = this;
    this.#end(status, outcome);
    exchange.respond(routerError(status, this.requestId, exchange.request.fields));
  }

  /** The answer had begun: the client must see that it is not whole. */
  #cut(outcome: string): void {
    this.#end(this.#status, outcome);
    this.exchange.abort();
  }

  #letGo(): void {
    this.#waiting?.cancel();
    this.#waiting = null;
    this.#connection?.destroy();
    this.#connection = null;
  }

  #end(status: number, outcome: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#core.unwatch(this);
    this.#core.finish(this, status, outcome);
  }
}

const pooled: AcquireOptions = {};
const careful: AcquireOptions = { careful: true };
const fresh: AcquireOptions = { fresh: true };
const upgradable: AcquireOptions = { upgradable: true };

const lossStatus: Readonly<Record<ClientLoss, number>> = {
  gone: 499,
  'bad-request': 400,
  'too-large': 413,
  timeout: 408,
  stopped: 499,
};

/** Whether the client asks for trailers, which it says for this hop. */
function hasTrailers(fields: FieldList): boolean {
  const te = fields.valueOf(fieldId.te);
  return te !== null && /(?:^|,)\s*trailers\s*(?:,|$)/i.test(te);
}

function statusOf({ reason }: UpstreamFailure): number {
  if (reason === 'queue') return 503;
  return reason === 'response-timeout' ? 504 : 502;
}

function outcomeOf({ reason }: UpstreamFailure): string {
  if (reason === 'response-timeout') return 'timeout_header';
  if (reason === 'answer-timeout') return 'timeout_idle';
  return reason === 'queue' ? 'limited' : 'reset';
}
