// A request at a backend, whatever HTTP version that speaks: what its owner asks for, and what it is told.

import type { Socket } from 'node:net';
import type { FieldList } from './field-list.ts';
import type { Lease } from './read-buffers.ts';
import type { ResponseHead } from './response-head.ts';

/** `connect`: nothing was sent. `reset`: closed or broken by the backend. `bad-answer`: what came is no valid answer. */
export type UpstreamFailureReason =
  'connect' | 'connect-timeout' | 'queue' | 'reset' | 'bad-answer' | 'response-timeout' | 'answer-timeout';

export interface UpstreamFailure {
  readonly reason: UpstreamFailureReason;
  /** Whether the backend cannot have acted on the request, though the connection was up. */
  readonly isUnsent?: boolean;
  /** One line for a log. */
  readonly message: string;
}

/** One request at a backend: a connection of HTTP/1 that is its own for the time, or a stream of HTTP/2. */
export interface UpstreamCall {
  /** Whether a failure says nothing about the backend: it was asked on this connection before, or told that it did nothing. */
  readonly reused: boolean;
  /**
   * Gathers the request's head as HTTP/1 has it: `head` is the whole of it. `chunked`: a body of unknown length follows. `upgrade`: the
   * protocol that the backend may switch to, '' for none; only where `acquire` was told.
   */
  sendHead(head: string, method: string, chunked: boolean, upgrade: string): void;
  /** Part of the request body. False: stop until `onUpstreamWritable`. */
  sendBody(bytes: Buffer, from: number, to: number): boolean;
  /** The request is complete. */
  endRequest(trailers: FieldList | null): void;
  /** Sends what was gathered. */
  flush(): void;
  /** Reads on after `onAnswerBody` returned false. */
  resume(): void;
  /** Ends the request at once; its user hears nothing more. */
  destroy(): void;
}

/** No call comes after `onAnswerEnd`, `onUpstreamFailed` or the user's own `destroy`. */
export interface UpstreamUser {
  /** A connection for the request; before `acquire` returns where one was free (`call.reused`). */
  onUpstreamReady(call: UpstreamCall): void;
  /** The backend takes more of the request, after `sendBody` returned false. */
  onUpstreamWritable(): void;
  /** 1xx, 101 excepted. */
  onInformational(head: ResponseHead): void;
  /** The head of the answer. True: a chunked body is wanted raw (`BodyReader.start`). */
  onAnswer(head: ResponseHead): boolean;
  /** The backend switched protocols: `socket`, or the stream that looks like one, is the user's, paused and half-open; `early` was read from it already. Ends the request. */
  onSwitched(head: ResponseHead, socket: Socket, early: Buffer): void;
  /** Bytes of the body; without a lease they are lent until the call returns. False: `resume` is called when more is wanted. */
  onAnswerBody(bytes: Buffer, from: number, to: number, lease: Lease | null): boolean;
  /** The answer is complete; the call is over. */
  onAnswerEnd(trailers: FieldList | null): void;
  /** All that one read brought has been told. */
  onReadEnd(): void;
  onUpstreamFailed(failure: UpstreamFailure): void;
}
