// The exchange of an HTTP/1 client. Its calls go to the connection until the exchange has ended; then they do nothing.

import { type AnswerBody, answerBodyFor, answerHead, informationalHead } from './answer-head.ts';
import type { AnswerChange, Exchange, ExchangeHandler, Peer, RequestView, Switched } from './exchange.ts';
import type { FieldList } from './field-list.ts';
import { trailerDrops } from './hop-by-hop.ts';
import { formatLocalAnswer, type LocalAnswer } from './local-answer.ts';
import type { Lease } from './read-buffers.ts';
import type { ResponseHead } from './response-head.ts';
import type { ServerConnection } from './server-connection.ts';
import { switchingHead } from './switching.ts';

export class ServerExchange implements Exchange {
  readonly request: RequestView;
  readonly peer: Peer;
  bytesSent = 0;
  /** Whether an answer has begun. */
  answering = false;
  #connection: ServerConnection | null;
  #body: AnswerBody = 'none';
  #persistent = true;
  #received = 0;

  constructor(connection: ServerConnection) {
    this.#connection = connection;
    this.request = connection.head;
    this.peer = connection.peer;
  }

  get bodyRead(): boolean {
    return this.#connection?.body.ended ?? true;
  }

  get bytesReceived(): number {
    return this.#connection?.body.bytes ?? this.#received;
  }

  /** The connection has no use for it any more. */
  detach(): void {
    this.#received = this.bytesReceived;
    this.#connection = null;
  }

  handle(handler: ExchangeHandler): void {
    this.#connection?.handle(handler);
  }

  resumeBody(): void {
    this.#connection?.resumeBody();
  }

  pauseBody(): void {
    this.#connection?.pauseBody();
  }

  sendContinue(): void {
    if (this.#connection === null || this.answering || this.bodyRead) return;
    this.#connection.writer.gather('HTTP/1.1 100 Continue\r\n\r\n');
    this.#connection.writer.flush();
  }

  respond(answer: LocalAnswer): void {
    const connection = this.#connection;
    if (connection === null || this.answering) return;
    const isHead = this.request.method === 'HEAD';
    this.answering = true;
    this.#persistent = connection.persistent && connection.body.ended && answer.closes !== true;
    const text = formatLocalAnswer(
      answer,
      connection.front.date(),
      isHead,
      this.#persistent ? '' : 'Connection: close\r\n',
    );
    this.bytesSent = isHead ? 0 : Buffer.byteLength(answer.body);
    connection.writer.gather(text);
    this.#end(connection);
  }

  relayInformational(head: ResponseHead): void {
    if (this.#connection === null || this.answering || this.request.version === 10) return;
    if (head.status === 102) return;
    this.#connection.writer.gather(informationalHead(head));
    this.#connection.writer.flush();
  }

  startAnswer(head: ResponseHead, extra: string, change?: AnswerChange): boolean {
    const connection = this.#connection;
    if (connection === null || this.answering) return false;
    this.answering = true;
    this.#body = answerBodyFor(head, this.request.version, change?.recoded);
    // An answer that overtakes its request: what the client still sends cannot be told from a next request in time.
    this.#persistent = connection.persistent && this.#body !== 'close' && connection.body.ended;
    connection.writer.gather(answerHead(head, this.#body, this.#persistent, extra, connection.front.date(), change));
    return this.#body === 'raw';
  }

  writeAnswer(bytes: Buffer, from: number, to: number, lease: Lease | null): boolean {
    const connection = this.#connection;
    if (connection === null) return true;
    this.bytesSent += to - from;
    if (this.#body !== 'chunked') return connection.write(bytes, from, to, lease);
    connection.writer.gather(`${(to - from).toString(16)}\r\n`);
    const takesMore = connection.write(bytes, from, to, lease);
    connection.writer.gather('\r\n');
    return takesMore;
  }

  endAnswer(trailers: FieldList | null): void {
    const connection = this.#connection;
    if (connection === null) return;
    if (this.#body === 'raw' || this.#body === 'chunked') {
      connection.writer.gather(trailers === null ? '0\r\n\r\n' : `0\r\n${trailers.kept(trailerDrops, null)}\r\n`);
    }
    this.#end(connection);
  }

  flush(): void {
    this.#connection?.writer.flush();
  }

  abort(): void {
    const connection = this.#connection;
    this.#connection = null;
    connection?.abort();
  }

  acceptUpgrade(head: ResponseHead, extra: string): Switched {
    return this.switchProtocol(switchingHead(head, extra));
  }

  switchProtocol(head: string): Switched {
    const connection = this.#connection;
    if (connection === null) throw new Error('the exchange has ended');
    this.#connection = null;
    return connection.switchProtocol(head);
  }

  #end(connection: ServerConnection): void {
    this.#connection = null;
    connection.finish(this.#persistent);
  }
}
