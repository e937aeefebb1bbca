// Error pages that a service of its own makes (Traefik's `errors`): asked in place of an answer whose status a rule names, the status kept.
// Never of themselves: what comes back is the page, whatever its status (specs/l7.md §3.11). They are asked by the protocol that the
// service speaks, over the connections that all requests share.

import type { Timer } from '../../src/runtime/index.ts';
import type { Exchange, LocalAnswer, ResponseHead, UpstreamCall, UpstreamPool, UpstreamUser } from '../http1/index.ts';
import type { ErrorPage } from './options-record.ts';
import type { BackendTarget, Service } from './service.ts';

const answerWithinMs = 5_000;
const mostPageBytes = 1024 * 1024;

/** The rule for a status; null: none. */
export function pageFor(rules: readonly ErrorPage[], status: number): ErrorPage | null {
  const names = ({ statuses }: ErrorPage): boolean => statuses.some(([from, to]) => status >= from && status <= to);
  return rules.find(names) ?? null;
}

export interface PageAsker {
  readonly pool: UpstreamPool;
  after(ms: number, action: () => void): Timer;
}

export interface PageQuestion {
  readonly rule: ErrorPage;
  readonly service: Service;
  /** Whose request met the error. */
  readonly exchange: Pick<Exchange, 'request' | 'peer'>;
  /** The answer where there is no page to be had; its status is the page's. */
  readonly otherwise: LocalAnswer;
}

/** Calls back once: with the page, or with `otherwise`. The answer withdraws the question. */
export function fetchErrorPage(
  asker: PageAsker,
  { rule, service, exchange, otherwise }: PageQuestion,
  done: (answer: LocalAnswer) => void,
): () => void {
  const backend = service.picker.pick({ hash: 0, tried: null });
  if (backend === null) {
    done(otherwise);
    return () => undefined;
  }
  const { host, authority } = exchange.request;
  const target = service.targetFor(backend, host, exchange.peer);
  const path = asPath(rule.query.replaceAll('{status}', String(otherwise.status)));
  const head = `GET ${path} HTTP/1.1\r\nHost: ${authority === '' ? backend.key : authority}\r\n\r\n`;
  const fetching = new PageFetch(asker, head, otherwise, done);
  fetching.start(target);
  return () => fetching.withdraw();
}

/** As a label may write it: what no target may hold is percent-encoded, so that a line of its own is none of ours. */
function asPath(text: string): string {
  const path = text.startsWith('/') ? text : `/${text}`;
  if (/^[!-~]*$/.test(path)) return path;
  const coded = [...Buffer.from(path, 'utf8')].map((byte) =>
    byte > 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  );
  return coded.join('');
}

class PageFetch implements UpstreamUser {
  readonly #asker: PageAsker;
  readonly #head: string;
  readonly #otherwise: LocalAnswer;
  readonly #done: (answer: LocalAnswer) => void;
  readonly #timer: Timer;
  #target: BackendTarget | null = null;
  #cancel: (() => void) | null = null;
  #isRepeated = false;
  #over = false;
  #contentType = 'text/html';
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(asker: PageAsker, head: string, otherwise: LocalAnswer, done: (answer: LocalAnswer) => void) {
    this.#asker = asker;
    this.#head = head;
    this.#otherwise = otherwise;
    this.#done = done;
    this.#timer = asker.after(answerWithinMs, () => this.#giveUp());
  }

  start(target: BackendTarget, fresh = false): void {
    this.#target = target;
    const waiting = this.#asker.pool.acquire(target, this, { fresh });
    // What was served in the call has set its own.
    if (waiting !== null && this.#cancel === null && !this.#over) this.#cancel = () => waiting.cancel();
  }

  withdraw(): void {
    this.#close();
    this.#cancel?.();
    this.#cancel = null;
  }

  onUpstreamReady(call: UpstreamCall): void {
    this.#cancel = () => call.destroy();
    this.#isRepeated ||= !call.reused;
    call.sendHead(this.#head, 'GET', false, '');
    call.endRequest(null);
    call.flush();
  }

  onUpstreamWritable(): void {
    // There is no more to send.
  }

  onInformational(): void {
    // Early hints are for the page, and it is not the client's.
  }

  onSwitched(): void {
    this.#giveUp();
  }

  onAnswer(head: ResponseHead): boolean {
    this.#contentType = head.fields.get('content-type') ?? this.#contentType;
    return false;
  }

  onAnswerBody(bytes: Buffer, from: number, to: number): boolean {
    this.#bytes += to - from;
    if (this.#bytes > mostPageBytes) this.#giveUp();
    else this.#parts.push(Buffer.copyBytesFrom(bytes, from, to - from));
    return true;
  }

  onAnswerEnd(): void {
    this.#cancel = null;
    this.#end({
      ...this.#otherwise,
      contentType: this.#contentType,
      body: Buffer.concat(this.#parts).toString('utf8'),
    });
  }

  onReadEnd(): void {
    // Nothing is handed on before the end.
  }

  /** A kept connection that the backend had closed is no answer: another one is opened. */
  onUpstreamFailed(): void {
    this.#cancel = null;
    if (this.#over) return;
    if (this.#isRepeated || this.#target === null) {
      this.#end(this.#otherwise);
      return;
    }
    this.#isRepeated = true;
    this.#parts = [];
    this.#bytes = 0;
    this.start(this.#target, true);
  }

  #giveUp(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#end(this.#otherwise);
  }

  #end(answer: LocalAnswer): void {
    if (this.#over) return;
    this.#close();
    this.#done(answer);
  }

  #close(): void {
    this.#over = true;
    this.#timer.cancel();
  }
}
