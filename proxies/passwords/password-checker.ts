// Checks passwords off the loop and remembers verdicts by a keyed digest, so that a kept session costs one HMAC a request. Passwords are
// in memory only while they are checked.

import { createHmac, randomBytes } from 'node:crypto';
import { Worker } from 'node:worker_threads';
import { messageOf, type Logger } from '../../src/runtime/index.ts';
import type { PasswordQuestion, PasswordVerdict } from './password-thread.ts';

/** Right ones, and wrong ones: a client that repeats a wrong password costs one check. */
const mostRight = 10_000;
const mostWrong = 1_000;
/** Checks that may wait at once; beyond, the client is told to come again. */
const mostWaiting = 256;

export type Verdict = (right: boolean | null) => void;

export interface PasswordChecker {
  /** From memory; null where it must be checked. */
  known(password: Buffer, hash: string): boolean | null;
  /** Calls back later, null: too many wait, or the thread has died. The returned function withdraws the question. */
  check(password: Buffer, hash: string, verdict: Verdict): () => void;
  stop(): void;
}

/** Starts its thread with the first question. */
export function createPasswordChecker(log: Logger): PasswordChecker {
  const key = randomBytes(32);
  const verdicts = { true: new Set<string>(), false: new Set<string>() };
  const waiting = new Map<number, { readonly proof: string; readonly asked: Set<Verdict> }>();
  const byProof = new Map<string, number>();
  let thread: Worker | null = null;
  let next = 0;
  let stopped = false;

  const proofOf = (password: Buffer, hash: string): string =>
    createHmac('sha256', key).update(`${hash.length}:${hash}`).update(password).digest('base64');

  function settle(id: number, right: boolean | null): void {
    const question = waiting.get(id);
    if (question === undefined) return;
    waiting.delete(id);
    byProof.delete(question.proof);
    if (right !== null) remember(verdicts[right ? 'true' : 'false'], question.proof, right ? mostRight : mostWrong);
    for (const verdict of question.asked) verdict(right);
  }

  function start(): Worker {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./password-thread.${extension}`, import.meta.url));
    worker.unref();
    worker.on('message', ({ id, right }: PasswordVerdict) => settle(id, right));
    worker.on('error', (error) => log.error({ error: messageOf(error) }, 'the thread that checks passwords has died'));
    worker.on('exit', () => {
      if (thread === worker) thread = null;
      for (const id of [...waiting.keys()]) settle(id, null);
    });
    return worker;
  }

  return {
    known(password, hash) {
      const proof = proofOf(password, hash);
      if (verdicts.true.has(proof)) return true;
      return verdicts.false.has(proof) ? false : null;
    },
    check(password, hash, verdict) {
      const proof = proofOf(password, hash);
      let id = byProof.get(proof);
      if (id === undefined && (stopped || waiting.size >= mostWaiting)) {
        const soon = setImmediate(() => verdict(null));
        return () => clearImmediate(soon);
      }
      if (id === undefined) {
        id = next++;
        byProof.set(proof, id);
        waiting.set(id, { proof, asked: new Set() });
        const question: PasswordQuestion = { id, password: Uint8Array.from(password), hash };
        (thread ??= start()).postMessage(question);
      }
      const asked = waiting.get(id)?.asked;
      asked?.add(verdict);
      return () => void asked?.delete(verdict);
    },
    stop() {
      stopped = true;
      void thread?.terminate();
    },
  };
}

/** Forgets the oldest where there are too many. */
function remember(proofs: Set<string>, proof: string, most: number): void {
  proofs.add(proof);
  if (proofs.size <= most) return;
  for (const oldest of proofs) {
    proofs.delete(oldest);
    return;
  }
}
