// The exchange: one request and its answer as a handler sees them, whatever HTTP version the client speaks. The front that made it owns
// sockets and framing; the handler decides where the request goes and hands the answer back.

import type { Socket } from 'node:net';
import type { FieldList } from './field-list.ts';
import type { LocalAnswer } from './local-answer.ts';
import type { Lease } from './read-buffers.ts';
import type { TargetForm } from './request-target.ts';
import type { ResponseHead } from './response-head.ts';

/** A request without its body. `RequestHead` is one; an HTTP/2 front fills its own. Valid until the exchange has ended. */
export interface RequestView {
  readonly method: string;
  readonly form: TargetForm;
  /** `http` or `https` where the target names it (absolute-form), else ''. Not how the client is connected: see `Peer.secure`. */
  readonly scheme: string;
  /** 10, 11 or 20. */
  readonly version: number;
  /** Host and port as the client wrote them, which is what a backend gets as Host; '' where none was given. */
  readonly authority: string;
  /** Lower case, without port and trailing dot: what is compared with routes. */
  readonly host: string;
  /** 0 where none was written. */
  readonly port: number;
  /** Canonical, without query: what is compared with routes. */
  readonly matchPath: string;
  /** Path and query as they are forwarded. */
  readonly forwardTarget: string;
  /** The same before dot segments were resolved; absent where nobody kept it. */
  readonly rawTarget?: string;
  /** -1 where unknown or none; see `chunked`. */
  readonly contentLength: number;
  /** Whether a body of unknown length follows. */
  readonly chunked: boolean;
  /** Protocol that the client wants to switch to, lower case; ''. */
  readonly upgrade: string;
  readonly expectsContinue: boolean;
  /** Names of fields that end at this hop, lower case. */
  readonly named: readonly string[] | null;
  readonly fields: FieldList;
}

/** The connection a request came on. */
export interface Peer {
  /** IPv4-mapped addresses are shown as IPv4. */
  readonly address: string;
  readonly port: number;
  /** Whether what the peer says of others (`X-Forwarded-*`) is believed. */
  readonly trusted: boolean;
  readonly localAddress: string;
  readonly localPort: number;
  readonly secure: boolean;
  /** Of the handshake; absent where none was made here. */
  readonly tls?: PeerTls;
  /** For whoever handles the exchanges: what it writes about the peer into each request; '' until it has. */
  statement: string;
}

/** What a TLS handshake has shown of the client. */
export interface PeerTls {
  /** Asked for in the handshake; null: none. */
  readonly serverName: string | null;
  /** As sent, where that is something else; absent: the same. */
  readonly askedName?: string;
  /** DER of a certificate that was verified; null: none. */
  readonly clientCertificate: Buffer | null;
  /** Whether requests for `host` may come on this connection. */
  allows(host: string): boolean;
}

/** Why a client takes no more: it closed or reset, broke the framing of its body, was too slow, or we stop. */
export type ClientLoss = 'gone' | 'bad-request' | 'too-large' | 'timeout' | 'stopped';

/** What a front tells the handler of an exchange. No call comes after the exchange has ended or `onClientLost`. */
export interface ExchangeHandler {
  /** Bytes of the request body between `from` and `to`; they may be kept. Only between `resumeBody` and `pauseBody`. */
  onRequestBody(bytes: Buffer, from: number, to: number): void;
  /** The body is complete. Called once, also for requests without one. */
  onRequestEnd(trailers: FieldList | null): void;
  /** The client takes more, after `writeAnswer` returned false. */
  onClientWritable(): void;
  /** The exchange is over and nobody listens: undo what is under way at once. */
  onClientLost(loss: ClientLoss): void;
}

/** A connection that speaks HTTP no more. */
export interface Switched {
  readonly socket: Socket;
  /** What the client sent behind its request; not on `socket` any more. */
  readonly early: Buffer;
}

/** What else changes about an answer on its way, besides lines that come. */
export interface AnswerChange {
  /** Lower case: fields that do not go on. */
  readonly gone: ReadonlySet<string>;
  /** The body is not the backend's any more, and nobody knows its length. */
  readonly recoded: boolean;
}

export interface Exchange {
  readonly request: RequestView;
  readonly peer: Peer;
  /** Whether the whole request body has been read from the client. */
  readonly bodyRead: boolean;
  /** Says who hears of the exchange. Comes before all other calls, unless `respond` is the only one. */
  handle(handler: ExchangeHandler): void;
  /** Starts (again) to hand the body on; what is at hand comes before the call returns. */
  resumeBody(): void;
  pauseBody(): void;
  /** `100 Continue`, for a client that waits for it; harmless where none does. */
  sendContinue(): void;

  /** Answers without a backend and ends the exchange. Only before `startAnswer`. */
  respond(answer: LocalAnswer): void;
  /** Relays a 1xx other than 100 and 101; clients that do not understand it get nothing. */
  relayInformational(head: ResponseHead): void;
  /**
   * Relays the head of a backend's answer without its hop-by-hop fields, with our own framing and `extra` lines (`Name: value\r\n` each,
   * validated by the caller). It is sent with the first bytes of the body or by `flush`. True: the body of a chunked answer is wanted raw,
   * which a recoded one never is.
   */
  startAnswer(head: ResponseHead, extra: string, change?: AnswerChange): boolean;
  /**
   * Bytes of the body; without a lease they are copied before the call returns, with one the front holds it until they are sent.
   * False: stop until `onClientWritable`.
   */
  writeAnswer(bytes: Buffer, from: number, to: number, lease: Lease | null): boolean;
  /** The answer is complete; ends the exchange. */
  endAnswer(trailers: FieldList | null): void;
  /** Sends what `startAnswer` and `writeAnswer` gathered. To be called at the end of each turn of reading from a backend. */
  flush(): void;
  /** Cuts the client off so that it cannot take what it has for the whole answer. Ends the exchange. */
  abort(): void;
  /**
   * Relays a backend's 101, with `extra` lines, and lets go of the connection, or of the stream, which looks like a socket then: it is the
   * caller's. Ends the exchange.
   */
  acceptUpgrade(head: ResponseHead, extra: string): Switched;
  /** Sends `head` (a whole 101 or 200 head as text) and lets go of the connection: it is the caller's. Ends the exchange. HTTP/1 alone. */
  switchProtocol(head: string): Switched;
  /** Bytes of answer bodies, and of the request body so far. For logs. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
}
