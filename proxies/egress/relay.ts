// One request through the forward proxy: who asks, whether they may, then a connection to exactly the address that was judged, and the
// answer on its way back.
//
// States: deciding (auth, rules, resolution, dialling; the body waits) → relaying → over; for CONNECT deciding → over, as a tunnel has the
// connection from then on, and so it is where the origin switches to WebSocket. The client may be lost in each of them.

import type { Socket } from 'node:net';
import type { Clock } from '../../src/runtime/index.ts';
import type {
  Admission,
  AskedFor,
  Dialed,
  Dialer,
  DialFailure,
  Dialing,
  DialRequest,
  FailureReason,
  RuledCore,
  Session,
  SessionReason,
} from '../access/index.ts';
import { hostPort } from '../access/index.ts';
import {
  fieldId,
  isWebSocketHandshake,
  switchingHead,
  type Exchange,
  type ExchangeHandler,
  type FieldList,
  type Lease,
  type ResponseHead,
  type UpstreamCall,
  type UpstreamFailure,
  type UpstreamPool,
  type UpstreamUser,
  type Waiting,
} from '../http1/index.ts';
import { failureAnswer } from './answers.ts';
import { upstreamReasons } from './upstream-reasons.ts';
import { parseBasic } from './credentials.ts';
import { joinCheckedTunnel, joinTunnel, refuseTunnel } from './egress-tunnel.ts';
import { createPace, type Pace } from './pace.ts';
import type { ProxyTarget } from './proxy-target.ts';
import { hasPassed, isRepeatable, originHead } from './request-head.ts';

export interface RelaySurroundings {
  readonly core: RuledCore;
  readonly clock: Clock;
  readonly pool: UpstreamPool;
  /** Its sockets go to the pool. */
  readonly dialer: Dialer;
  /** Who we are in Via fields. */
  readonly pseudonym: string;
  /** Whether a tunnel must begin with a ClientHello for the name of its CONNECT. */
  readonly requireSniMatch: boolean;
  /** Apps that speak from an address. */
  appsOf(client: string): readonly string[];
  listenerOf(exchange: Exchange): string;
  /** Whether this was the last wrong password that the connection may send. */
  isLastAttempt(exchange: Exchange): boolean;
}

/** A request body that is thrown away so that the client can ask again on the same connection. */
const mostDrainedBytes = 64 * 1024;
const defaultConnectPort = 443;
const noBytes: Buffer = Buffer.alloc(0);

export class Relay implements ExchangeHandler, UpstreamUser {
  readonly #exchange: Exchange;
  readonly #around: RelaySurroundings;
  readonly #session: Session;
  readonly #target: ProxyTarget;
  readonly #client: string;
  /** What is under way before there is a connection. */
  #gone: AbortController | null = null;
  #dialing: Dialing | null = null;
  /** The protocol that the origin may switch to; ''. */
  readonly #upgrade: string;
  #user: string | null = null;
  #connection: UpstreamCall | null = null;
  #waiting: Waiting | null = null;
  #answering = false;
  #over = false;
  #retried = false;
  #bodyEnded = false;
  /** The connection ends with the refusal. */
  #closes = false;
  #admission: Admission | null = null;
  /** Runs once the body has been thrown away; null: the body is relayed. */
  #onDrained: (() => void) | null = null;
  #drained = 0;
  /** Bandwidth of the bodies; null: as fast as it goes. */
  #up: Pace | null = null;
  #down: Pace | null = null;

  constructor(exchange: Exchange, target: ProxyTarget, client: string, session: Session, around: RelaySurroundings) {
    this.#exchange = exchange;
    this.#target = target;
    this.#client = client;
    this.#session = session;
    this.#around = around;
    this.#upgrade = isWebSocketHandshake(exchange.request) ? 'websocket' : '';
  }

  /** Decides and starts; to be called once. */
  async run(): Promise<void> {
    const { request } = this.#exchange;
    const { core, pseudonym } = this.#around;
    if (hasPassed(request, pseudonym)) {
      this.#fail('via-loop');
      return;
    }
    if (core.users !== null && !(await this.#authenticate(request.fields))) {
      const wasTried = request.fields.valueOf(fieldId.proxyAuthorization) !== null;
      this.#closes = wasTried && this.#around.isLastAttempt(this.#exchange);
      this.#drainThen(() => this.#fail('auth'));
      return;
    }
    if (this.#over) return;
    this.#session.note({ user: this.#user });
    const asked = this.#asked();
    const first = core.preview(asked);
    this.#session.note({ rule: first.rule });
    if (first.verdict === 'deny') {
      this.#fail(first.reason ?? 'denied');
      return;
    }
    if (first.logsOpen) this.#session.announce();
    const admission = core.admissions.admit({ listener: this.#around.listenerOf(this.#exchange), ...this.#who() });
    if (admission === 'limit') {
      this.#fail('limit');
      return;
    }
    this.#admission?.release();
    this.#admission = admission;
    const dial = core.dialRequest(asked, first, admission);
    if (request.form === 'authority') this.#tunnel(dial);
    else await this.#forward({ ...dial, signal: (this.#gone ??= new AbortController()).signal });
  }

  /** A fault of our own. */
  fault(): void {
    this.#fail('connect-failure');
  }

  // Deciding.

  async #authenticate(fields: FieldList): Promise<boolean> {
    const credentials = parseBasic(fields.valueOf(fieldId.proxyAuthorization));
    const { users } = this.#around.core;
    if (credentials === null || users === null) return false;
    const ok = await users.verify(credentials.name, credentials.password, this.#client);
    if (ok) this.#user = credentials.name;
    return ok;
  }

  #asked(): AskedFor {
    const { destination, port } = this.#target;
    const defaultPort = this.#exchange.request.form === 'authority' ? defaultConnectPort : null;
    return { client: this.#client, user: this.#user, command: 'connect', destination, port, defaultPort };
  }

  #who(): { readonly user: string | null; readonly apps: readonly string[] } {
    return { user: this.#user, apps: this.#around.appsOf(this.#client) };
  }

  #noteDial({ rule, dnsMs, connectMs }: Dialed | DialFailure): void {
    this.#session.note({ rule, dnsMs: Math.round(dnsMs), connectMs: Math.round(connectMs) });
  }

  // Tunnels.

  #tunnel(dial: Omit<DialRequest, 'signal'>): void {
    const { core } = this.#around;
    this.#dialing = core.dialer.begin(dial, (dialed) => {
      try {
        this.#noteDial(dialed);
        if ('failure' in dialed) this.#fail(dialed.failure);
        else if (this.#over) dialed.socket.destroy();
        else this.#join(dialed);
      } catch (error) {
        core.sessions.fault(error);
        this.fault();
      }
    });
  }

  #join({ socket: upstream, ip }: Dialed): void {
    this.#session.note({ ip });
    this.#openTunnel('HTTP/1.1 200 Connection established\r\n\r\n', upstream, noBytes);
  }

  /** `head` is the last that the client gets in HTTP; `ahead`: what was read of the origin behind its own. */
  #openTunnel(head: string, upstream: Socket, ahead: Buffer): void {
    this.#over = true;
    const ends = { upstream, ahead, admission: this.#admission, ...this.#exchange.switchProtocol(head) };
    this.#admission = null;
    const { requireSniMatch } = this.#around;
    if (requireSniMatch && this.#exchange.request.form === 'authority')
      void joinCheckedTunnel(ends, this.#target.destination, this.#session, this.#around);
    else joinTunnel(ends, this.#session, this.#around);
  }

  // Requests.

  async #forward(dial: DialRequest): Promise<void> {
    const { dialer, pool } = this.#around;
    const located = await dialer.locate(dial);
    if (this.#over) return;
    if ('failure' in located) {
      this.#noteDial(located);
      this.#fail(located.failure);
      return;
    }
    const isFresh = this.#retried || this.#upgrade !== '';
    const kept = isFresh ? undefined : located.allowed.find((ip) => pool.counts(this.#keyOf(ip)).idle > 0);
    if (kept !== undefined) {
      this.#session.note({ rule: located.rule, ip: kept });
      this.#acquire(kept, null);
      return;
    }
    const dialed = await dialer.connect(dial, located);
    this.#noteDial(dialed);
    if ('failure' in dialed) this.#fail(dialed.failure);
    else if (this.#over) dialed.socket.destroy();
    else {
      this.#session.note({ ip: dialed.ip });
      this.#acquire(dialed.ip, dialed.socket);
    }
  }

  #acquire(ip: string, socket: Socket | null): void {
    const target = { key: this.#keyOf(ip), host: ip, port: this.#target.port };
    const { pool } = this.#around;
    if (socket === null) this.#waiting = pool.acquire(target, this);
    else {
      // Both sides of a tunnel end one at a time.
      const upgradable = this.#upgrade !== '';
      socket.allowHalfOpen = upgradable;
      this.#waiting = pool.acquire({ ...target, dial: () => socket }, this, { fresh: true, upgradable });
    }
  }

  /** Clients never share a connection: some origins authenticate connections, not requests. */
  #keyOf(ip: string): string {
    return `${this.#client} ${this.#user ?? ''} ${hostPort(ip, this.#target.port)}`;
  }

  onUpstreamReady(connection: UpstreamCall): void {
    this.#waiting = null;
    if (this.#over) {
      connection.destroy();
      return;
    }
    this.#connection = connection;
    this.#keepPace();
    const { request } = this.#exchange;
    connection.sendHead(
      originHead(request, this.#target.authority, this.#around.pseudonym, this.#upgrade),
      request.method,
      request.chunked,
      this.#upgrade,
    );
    // The client's end is told once, and a repeated request has none to wait for.
    if (this.#bodyEnded) connection.endRequest(null);
    else {
      this.#exchange.resumeBody();
      // A body that comes slowly, or waits for a word of the origin, does not keep its head back.
      if (!this.#bodyEnded) connection.flush();
    }
  }

  #keepPace(): void {
    const shaper = this.#admission?.shaper ?? null;
    if (shaper === null) return;
    this.#up = createPace(shaper, () => this.onUpstreamWritable());
    this.#down = createPace(shaper, () => this.onClientWritable());
  }

  onRequestBody(bytes: Buffer, from: number, to: number): void {
    if (this.#onDrained !== null) {
      this.#drained += to - from;
      if (this.#drained > mostDrainedBytes) this.#endDraining();
    } else {
      const mayGoOn = this.#up?.take(to - from) ?? true;
      if (this.#connection?.sendBody(bytes, from, to) === false || !mayGoOn) this.#exchange.pauseBody();
    }
  }

  onRequestEnd(trailers: FieldList | null): void {
    this.#bodyEnded = true;
    if (this.#onDrained !== null) this.#endDraining();
    else this.#connection?.endRequest(trailers);
  }

  onUpstreamWritable(): void {
    if (!this.#over && this.#up?.isHeld !== true) this.#exchange.resumeBody();
  }

  onInformational(head: ResponseHead): void {
    if (head.status === 100) this.#exchange.sendContinue();
    else this.#exchange.relayInformational(head);
  }

  onAnswer(head: ResponseHead): boolean {
    this.#answering = true;
    this.#session.note({ status: head.status });
    return this.#exchange.startAnswer(head, this.#via());
  }

  #via(): string {
    return `Via: 1.1 ${this.#around.pseudonym}\r\n`;
  }

  onAnswerBody(bytes: Buffer, from: number, to: number, lease: Lease | null): boolean {
    const mayGoOn = this.#down?.take(to - from) ?? true;
    return this.#exchange.writeAnswer(bytes, from, to, lease) && mayGoOn;
  }

  onClientWritable(): void {
    if (this.#down?.isHeld !== true) this.#connection?.resume();
  }

  onReadEnd(): void {
    this.#exchange.flush();
  }

  onAnswerEnd(trailers: FieldList | null): void {
    this.#connection = null;
    this.#end('allow', 'finished');
    this.#exchange.endAnswer(trailers);
  }

  onSwitched(head: ResponseHead, socket: Socket, early: Buffer): void {
    this.#connection = null;
    this.#session.note({ status: head.status });
    this.#openTunnel(switchingHead(head, this.#via()), socket, early);
  }

  onUpstreamFailed({ reason, message }: UpstreamFailure): void {
    const wasReused = this.#connection?.reused === true;
    this.#connection = null;
    this.#waiting = null;
    if (wasReused && reason === 'reset' && !this.#answering && !this.#retried && isRepeatable(this.#exchange.request)) {
      this.#retried = true;
      void this.run().catch(() => this.fault());
      return;
    }
    this.#session.note({ detail: message });
    this.#fail(upstreamReasons[reason]);
  }

  onClientLost(): void {
    this.#connection?.destroy();
    this.#waiting?.cancel();
    this.#gone?.abort();
    this.#end(this.#answering ? 'allow' : 'deny', 'aborted');
    this.#dialing?.cancel();
  }

  // Ending.

  #fail(reason: FailureReason): void {
    if (this.#over) return;
    const wasAnswering = this.#answering;
    this.#end(wasAnswering ? 'allow' : 'deny', reason);
    if (wasAnswering) this.#exchange.abort();
    else if (this.#exchange.request.form === 'authority') refuseTunnel(this.#exchange, reason, this.#around.clock);
    else {
      const answer = failureAnswer(reason, this.#exchange.request.fields);
      this.#exchange.respond(this.#closes ? { ...answer, closes: true } : answer);
    }
  }

  #drainThen(action: () => void): void {
    if (this.#over) return;
    const { request, bodyRead } = this.#exchange;
    if (bodyRead || request.expectsContinue || request.contentLength > mostDrainedBytes) action();
    else {
      this.#onDrained = action;
      this.#exchange.resumeBody();
    }
  }

  #endDraining(): void {
    const action = this.#onDrained;
    this.#onDrained = null;
    action?.();
  }

  #end(verdict: 'allow' | 'deny', reason: SessionReason): void {
    this.#over = true;
    this.#admission?.release();
    this.#admission = null;
    const { bytesReceived, bytesSent } = this.#exchange;
    this.#session.end({ verdict, reason, bytesUp: bytesReceived, bytesDown: bytesSent });
  }
}
