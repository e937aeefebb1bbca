// One request on its way: to a backend, to another if that fails before an answer, and the answer back. The state of a request is here and
// nowhere else.

import type { Socket } from 'node:net';
import type { Backend } from '../../src/cluster/index.ts';
import type { TryOutcome } from '../../src/ports/index.ts';
import {
  isWebSocketHandshake,
  type AcquireOptions,
  type ClientLoss,
  type Deadline,
  type Exchange,
  type ExchangeHandler,
  type FieldList,
  type Lease,
  type ResponseHead,
  type UpstreamCall,
  type UpstreamFailure,
  type UpstreamUser,
  type Waiting,
} from '../http1/index.ts';
import { acquireOptions, fresh, isIdempotent } from './acquire-options.ts';
import { AnswerCoder, type Coding } from './answer-coding.ts';
import { idLine, startChanged } from './changed-answer.ts';
import { BackendTry } from './backend-try.ts';
import { BodyReplay } from './body-replay.ts';
import { lossStatus, outcomeOf, statusOf } from './forwarding-outcome.ts';
import type { RequestFlow } from './request-flow.ts';
import type { CompiledRoute } from './route-plane.ts';
import { forwardingError } from './router-answers.ts';
import type { RouterCore } from './router-core.ts';
import { upstreamHead } from './upstream-head.ts';

export class Forwarding implements ExchangeHandler, UpstreamUser, Deadline {
  /** Of the whole request, where it has one. */
  deadlineAt = Infinity;
  readonly exchange: Exchange;
  readonly requestId: string;
  readonly route: CompiledRoute;
  readonly startedMs: number;
  readonly flow: RequestFlow | null;
  backend: Backend | null = null;
  retries = 0;
  /** The present try, or the last. */
  attempt: BackendTry | null = null;
  /** Monotonic, 0 until then: when a connection was there, and the head of the answer. For logs. */
  readyMs = 0;
  answeredMs = 0;

  readonly #core: RouterCore;
  readonly #upgrade: boolean;
  readonly #chunked: boolean;
  #head = '';
  #waiting: Waiting | null = null;
  #connection: UpstreamCall | null = null;
  #tried: Set<string> | null = null;
  #tries = 0;
  #renewed = false;
  /** The body so far; null where there is none yet, and once the answer is there. */
  #replay: BodyReplay | null = null;
  #bodyEnded = false;
  #trailers: FieldList | null = null;
  #status = 0;
  /** The head of the answer came with the bytes that are dealt with now: `answeredMs` is the present. */
  #isNow = false;
  #over = false;
  #coder: AnswerCoder | null = null;
  /** Calls off a page that is asked for instead of an answer. */
  #withdraw: (() => void) | null = null;

  constructor(
    core: RouterCore,
    exchange: Exchange,
    route: CompiledRoute,
    requestId: string,
    startedMs: number,
    flow: RequestFlow | null,
  ) {
    this.#core = core;
    this.flow = flow;
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
    this.#start(503, false, false);
  }

  /** The whole request took too long. */
  onDeadline(): void {
    if (!this.#over) this.#giveUp('failed', 504, 'timeout_request');
  }

  // The client.

  onRequestBody(bytes: Buffer, from: number, to: number): void {
    if (this.#status === 0) (this.#replay ??= new BodyReplay()).keep(bytes, from, to);
    if (this.exchange.bytesReceived > this.#most('requestBytes')) this.#giveUp('ok', 413, 'denied');
    else if (this.#connection?.sendBody(bytes, from, to) === false) this.exchange.pauseBody();
  }

  onRequestEnd(trailers: FieldList | null): void {
    this.#bodyEnded = true;
    this.#trailers = trailers;
    this.#connection?.endRequest(trailers);
  }

  onClientWritable(): void {
    if (this.#coder === null) this.#connection?.resume();
    else this.#coder.resume();
  }

  onClientLost(loss: ClientLoss): void {
    this.#letGo();
    this.#end(lossStatus[loss], loss === 'gone' ? 'client_abort' : loss);
  }

  // The backend.

  onUpstreamReady(connection: UpstreamCall): void {
    const { exchange } = this;
    const { request } = exchange;
    const isAtOnce = this.#waiting === null && this.#tries === 1 && this.flow === null;
    if (this.#core.isLogging) this.readyMs = isAtOnce ? this.startedMs : this.#core.now();
    this.#waiting = null;
    this.#connection = connection;
    if (this.#head === '' || this.flow?.policy.host === 'server')
      this.#head = upstreamHead(this, this.#core, this.#upgrade);
    connection.sendHead(this.#head, request.method, this.#chunked, this.#upgrade ? 'websocket' : '');
    this.#replay?.send(connection);
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
    this.answeredMs = this.#core.now();
    this.#isNow = true;
    this.attempt?.answered(head.status, this.answeredMs);
    if (this.#improvable(head.status)) {
      this.#drop('ok');
      this.#retryElsewhere(head.status, true);
      return false;
    }
    if (head.framing !== 'none' && head.contentLength > this.#most('answerBytes')) {
      this.#giveUp('ok', 500, 'bad_answer');
      return false;
    }
    if (this.#turnToPage(head.status, 'ok')) return false;
    this.#status = head.status;
    this.#replay = null;
    const cookie = this.#core.cookieLines(this);
    if (this.flow === null) return this.exchange.startAnswer(head, idLine(head, this.requestId) + cookie);
    const { raw, coding } = startChanged(this.exchange, head, this.flow, idLine(head, this.requestId) + cookie);
    if (coding !== null) this.#coder = this.#code(coding);
    return raw;
  }

  onSwitched(head: ResponseHead, upstream: Socket, early: Buffer): void {
    this.#connection = null;
    this.answeredMs = this.#core.now();
    this.attempt?.answered(101, this.answeredMs);
    const extra = idLine(head, this.requestId) + this.#core.cookieLines(this);
    const { socket, early: sentAhead } = this.exchange.acceptUpgrade(head, extra);
    this.#over = true;
    this.#core.unwatch(this);
    this.#core.left(this);
    if (early.length > 0) socket.write(early);
    if (sentAhead.length > 0) upstream.write(sentAhead);
    this.#core.openTunnel(this, socket, upstream);
  }

  onTunnelEnd(): void {
    this.attempt?.end('ok', this.#core.now());
  }

  onAnswerBody(bytes: Buffer, from: number, to: number, lease: Lease | null): boolean {
    const { exchange } = this;
    if (this.flow !== null && exchange.bytesSent + to - from > this.#most('answerBytes')) {
      this.#giveUp('ok', 500, 'bad_answer');
      return true;
    }
    return this.#coder === null ? exchange.writeAnswer(bytes, from, to, lease) : this.#coder.write(bytes, from, to);
  }

  onAnswerEnd(trailers: FieldList | null): void {
    this.#connection = null;
    if (this.#over) return;
    if (this.#coder !== null) {
      this.#coder.end();
      return;
    }
    this.#end(this.#status, 'ok');
    this.exchange.endAnswer(trailers);
  }

  onReadEnd(): void {
    this.#isNow = false;
    this.#coder?.flush();
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
    const unreached = connection === null && failure.reason !== 'queue';
    this.attempt?.end(unreached ? 'unreachable' : failure.reason === 'queue' ? null : 'failed', this.#core.now());
    if (this.#status !== 0) this.#cut(outcomeOf(failure));
    else if (unreached) this.#retryElsewhere(503, this.route.service.startsOver && this.#improvable(502), false);
    else if (failure.reason === 'reset' && this.#canRepeat(failure)) this.#repeat(connection?.reused === true);
    else this.#retryOrFail(statusOf(failure), outcomeOf(failure), failure.reason === 'response-timeout');
  }

  #retryOrFail(status: number, outcome: string, isTimeout: boolean): void {
    if (this.#improvable(status, isTimeout)) this.#retryElsewhere(status, true);
    else this.#fail(status, outcome);
  }

  #onTryTimeout(): void {
    if (this.#over || this.#status !== 0) return;
    this.#core.metrics.countFailure('response-timeout');
    this.#drop('failed');
    this.#retryOrFail(504, 'timeout_header', true);
  }

  #code(coding: Coding): AnswerCoder {
    const { exchange } = this;
    return new AnswerCoder({
      coding,
      exchange,
      onDrain: () => this.#connection?.resume(),
      onEnd: () => {
        if (this.#over) return;
        this.#end(this.#status, 'ok');
        exchange.endAnswer(null);
      },
      onError: () => this.#over || this.#cut('reset'),
    });
  }

  #improvable(status: number, isTimeout = false): boolean {
    const { service } = this.route;
    const { retryRule } = service;
    if (retryRule === null || this.#tries >= service.tries || this.backend === null) return false;
    const tried = { method: this.exchange.request.method, attempts: this.#tries, status };
    const mayRepeat = retryRule.asks(tried, isTimeout) && this.#canRepeat({ isUnsent: retryRule.namesMethods });
    return mayRepeat && this.#core.mayRetry() && service.hasOther(this.#tried, this.backend);
  }

  /** `otherwise`: the status where no backend is left; `again`: who was asked may be asked then; `isBudgeted`: not while many others are. */
  #start(otherwise: number, again: boolean, isBudgeted: boolean): void {
    const { service } = this.route;
    const mayTry = this.#tries < service.tries && (!isBudgeted || this.#core.mayRetry());
    let backend = mayTry ? this.#core.choose(service, this.exchange, this.#tried) : null;
    if (backend === null && again && mayTry && service.startsOver)
      backend = this.#core.choose(service, this.exchange, null);
    if (backend === null) {
      this.#fail(otherwise, this.#tries === 0 ? 'no_server' : otherwise === 503 ? 'connect_failed' : 'reset');
      return;
    }
    this.#tries++;
    this.backend = backend;
    this.#acquire(acquireOptions(this.#upgrade, this.exchange.request.method));
  }

  #acquire(options: AcquireOptions): void {
    if (this.backend === null) return;
    const { service } = this.route;
    const target = service.targetFor(this.backend, this.exchange.request.host, this.exchange.peer);
    const startedMs = this.retries === 0 ? this.startedMs : this.#core.now();
    const timer = service.perTryMs === 0 ? null : this.#core.after(service.perTryMs, () => this.#onTryTimeout());
    this.attempt = new BackendTry(target, service.picker.started(this.backend), startedMs, timer);
    const waiting = this.#core.pool.acquire(target, this, options);
    // Where an idle connection was there, or nothing may wait, all has been said in the call.
    if (waiting !== null && this.#connection === null && !this.#over) this.#waiting = waiting;
  }

  /** `pauses`: a backend was reached, and hurry would make matters worse; `isBudgeted` false: none has had work by it (specs/l7.md §3.10). */
  #retryElsewhere(otherwise: number, pauses: boolean, isBudgeted = true): void {
    if (!this.#bodyEnded) this.exchange.pauseBody();
    if (this.backend !== null) (this.#tried ??= new Set()).add(this.backend.key);
    if (this.retries++ === 0) this.#core.activeRetries++;
    if (!pauses) this.#start(otherwise, false, isBudgeted);
    else this.#waiting = this.#core.afterPause(this.retries, () => this.#start(otherwise, true, isBudgeted));
  }

  /** RFC 9110 §9.2.2: what does the same twice may be sent twice, if all of it is still here. */
  #canRepeat({ isUnsent }: Pick<UpstreamFailure, 'isUnsent'>): boolean {
    if (this.#status !== 0 || this.#replay?.isLost === true || this.#upgrade) return false;
    return isUnsent === true || isIdempotent(this.exchange.request.method);
  }

  /** A kept connection that the backend had closed says nothing about the backend: the same one is asked once more, freshly. */
  #repeat(wasReused: boolean): void {
    if (!wasReused || this.#renewed || this.backend === null) {
      this.#retryElsewhere(502, this.#improvable(502));
      return;
    }
    if (!this.#bodyEnded) this.exchange.pauseBody();
    this.#renewed = true;
    if (this.retries++ === 0) this.#core.activeRetries++;
    this.#acquire(fresh);
  }

  // The end.

  /** Answers with an error of ours. */
  #fail(status: number, outcome: string): void {
    if (this.#turnToPage(status, outcome)) return;
    const { exchange } = this;
    this.#end(status, outcome);
    const answer = forwardingError(status, this.requestId, exchange.request.fields, outcome);
    exchange.respond(this.#core.dress(answer, exchange.request.host, this.flow));
  }

  /** Whether a service makes the page for this status: then it is asked, and what the backend says is not relayed. */
  #turnToPage(status: number, outcome: string): boolean {
    if (this.flow === null || this.flow.policy.errorPages.length === 0) return false;
    const { exchange } = this;
    const plain = forwardingError(status, this.requestId, exchange.request.fields, outcome);
    const withdraw = this.#core.askForPage(this.flow, plain, exchange, (answer) => {
      this.#withdraw = null;
      this.#end(status, outcome);
      exchange.respond(answer);
    });
    if (withdraw === null) return false;
    this.#drop('ok');
    this.#withdraw = withdraw;
    return true;
  }

  /** The answer had begun: the client must see that it is not whole. */
  #cut(outcome: string): void {
    this.#end(this.#status, outcome);
    this.exchange.abort();
  }

  #most(limit: 'requestBytes' | 'answerBytes'): number {
    return this.flow?.policy.bodyLimits?.[limit] ?? Infinity;
  }

  /** `status`: where no answer has begun. */
  #giveUp(learnt: TryOutcome, status: number, outcome: string): void {
    this.#drop(learnt);
    if (this.#status !== 0) this.#cut(outcome);
    else this.#fail(status, outcome);
  }

  #drop(outcome: TryOutcome): void {
    this.attempt?.end(outcome, this.#core.now());
    this.#letGo();
  }

  #letGo(): void {
    this.#withdraw?.();
    this.#withdraw = null;
    this.#waiting?.cancel();
    this.#waiting = null;
    this.#connection?.destroy();
    this.#connection = null;
  }

  #end(status: number, outcome: string): void {
    if (this.#over) return;
    this.#over = true;
    const nowMs = this.#isNow ? this.answeredMs : this.#core.now();
    this.attempt?.end(null, nowMs);
    this.#coder?.destroy();
    this.#core.unwatch(this);
    this.#core.left(this);
    this.#core.finish(this, status, outcome, nowMs);
  }
}
