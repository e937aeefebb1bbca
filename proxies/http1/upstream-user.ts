// What a connection to a backend tells whoever has a request on it.

import type { Socket } from 'node:net';
import type { FieldList } from './field-list.ts';
import type { Lease } from './read-buffers.ts';
import type { ResponseHead } from './response-head.ts';
import type { UpstreamConnection } from './upstream-connection.ts';

/** `connect`: nothing was sent. `reset`: closed or broken by the backend. `bad-answer`: what came is no valid HTTP/1. */
export type UpstreamFailureReason =
  'connect' | 'connect-timeout' | 'queue' | 'reset' | 'bad-answer' | 'response-timeout' | 'answer-timeout';

export interface UpstreamFailure {
  readonly reason: UpstreamFailureReason;
  /** Whether the backend cannot have seen a byte of the request, though the connection was up. */
  readonly isUnsent?: boolean;
  /** One line for a log. */
  readonly message: string;
}

/** No call comes after `onAnswerEnd`, `onUpstreamFailed` or the user's own `destroy`. */
export interface UpstreamUser {
  /** A connection for the request; before `acquire` returns where an idle one was there (`connection.reused`). */
  onUpstreamReady(connection: UpstreamConnection): void;
  /** The backend takes more of the request, after `sendBody` returned false. */
  onUpstreamWritable(): void;
  /** 1xx, 101 excepted. */
  onInformational(head: ResponseHead): void;
  /** The head of the answer. True: a chunked body is wanted raw (`BodyReader.start`). */
  onAnswer(head: ResponseHead): boolean;
  /** The backend switched protocols: `socket` is the user's, paused and half-open; `early` was read from it already. Ends the request. */
  onSwitched(head: ResponseHead, socket: Socket, early: Buffer): void;
  /** Bytes of the body; without a lease they are lent until the call returns. False: `resume` is called when more is wanted. */
  onAnswerBody(bytes: Buffer, from: number, to: number, lease: Lease | null): boolean;
  /** The answer is complete; the connection is the pool's again. */
  onAnswerEnd(trailers: FieldList | null): void;
  /** All that one read brought has been told. */
  onReadEnd(): void;
  onUpstreamFailed(failure: UpstreamFailure): void;
}
