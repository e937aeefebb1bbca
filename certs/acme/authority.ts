// One authority as the issuer knows it: what can be asked of it, and a pause after it could not be asked.

import type { X509Certificate } from 'node:crypto';
import type { ChallengeResponder, Store } from '../../src/ports/index.ts';
import type { Clock, Logger, Random } from '../../src/runtime/index.ts';
import {
  forgetAccount,
  isUnknownAccount,
  openAccount,
  type Account,
  type AccountOptions,
  type Binding,
} from './account.ts';
import { orderCertificate, type Issued, type OrderForm } from './order.ts';
import { AcmeProblem, AuthorityDown, hintFor } from './problem.ts';
import { certificateId, readWindow, type RenewalWindow } from './renewal.ts';
import { createTransport, type AuthorityTls } from './transport.ts';

export interface AuthorityOptions {
  /** URL. */
  readonly directory: string;
  readonly tls?: AuthorityTls | undefined;
  readonly email: string | null;
  readonly binding: Binding | null;
  readonly responder: ChallengeResponder;
  readonly store: Store;
  readonly accountKey: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Why the authority is of no use now. */
export interface Trouble {
  readonly reason: string;
  readonly hint: string;
  /** Epoch milliseconds: it is asked again then. */
  readonly until: number;
}

/** What it says of one certificate. */
export interface RenewalAdvice {
  readonly window: RenewalWindow | null;
  /** Epoch milliseconds: ask again then. */
  readonly askAgainAt: number;
}

/** Calls reject with what went wrong; afterwards `trouble` tells whether that was the authority's as a whole. */
export interface Authority {
  /** Host, for people. */
  readonly name: string;
  trouble(): Trouble | null;
  advice(certificate: X509Certificate, signal: AbortSignal): Promise<RenewalAdvice>;
  order(form: Omit<OrderForm, 'replaces'>, former: X509Certificate | null, signal: AbortSignal): Promise<Issued>;
  close(): Promise<void>;
}

const firstPauseMs = 2_000;
/** After a refusal of the account itself: a person has to do something first. */
const firstRefusedPauseMs = 60_000;
const mostPauseMs = 900_000;
/** RFC 9773 §4.3.2 leaves the pace to Retry-After; this where there is none, and bounds for what it says. */
const adviceEveryMs = 21_600_000;
const leastAdviceMs = 1_000;
const mostAdviceMs = 86_400_000;

export function createAuthority(options: AuthorityOptions): Authority {
  const { directory, clock, random, log, responder } = options;
  const transport = createTransport(options);
  const accountOptions: AccountOptions = { ...options, transport, storeKey: options.accountKey };
  let trouble: Trouble | null = null;
  let failures = 0;
  let opening: Promise<Account> | null = null;

  const pause = (error: Error, firstMs: number, retryAfterMs: number): void => {
    const mostMs = Math.min(firstMs * 2 ** failures++, mostPauseMs);
    const waitMs = Math.max(mostMs * (0.5 + random() / 2), retryAfterMs);
    const hint = error instanceof AcmeProblem ? hintFor(error.problem) : 'certificates that are there serve on';
    trouble = { reason: error.message, hint, until: clock.now() + waitMs };
  };
  /** Several orders fail together when the authority goes: that is one failure. */
  const isPaused = (): boolean => trouble !== null && trouble.until > clock.now();
  const answered = (): void => {
    trouble = null;
    failures = 0;
  };
  const watched = async <T>(action: () => Promise<T>, signal: AbortSignal): Promise<T> => {
    try {
      const result = await action();
      answered();
      return result;
    } catch (error) {
      if (signal.aborted || isPaused()) throw error;
      if (error instanceof AuthorityDown) pause(error, firstPauseMs, error.retryAfterMs);
      else if (error instanceof AcmeProblem) answered();
      throw error;
    }
  };
  const account = async (signal: AbortSignal): Promise<Account> => {
    opening ??= openAccount(accountOptions, signal);
    try {
      return await opening;
    } catch (error) {
      opening = null;
      if (error instanceof AcmeProblem && !isPaused()) pause(error, firstRefusedPauseMs, error.retryAfterMs);
      throw error;
    }
  };
  return {
    name: new URL(directory).host,
    trouble: () => trouble,
    advice: (certificate, signal) =>
      watched(async () => {
        const { renewalInfo } = await transport.directory(signal);
        const id = renewalInfo === null ? null : certificateId(certificate);
        if (id === null) return { window: null, askAgainAt: clock.now() + adviceEveryMs };
        const { body, retryAfterMs } = await transport.get(`${String(renewalInfo).replace(/\/$/, '')}/${id}`, signal);
        const waitMs =
          retryAfterMs === 0 ? adviceEveryMs : Math.min(Math.max(retryAfterMs, leastAdviceMs), mostAdviceMs);
        return { window: readWindow(body), askAgainAt: clock.now() + waitMs };
      }, signal),
    order: (form, former, signal) =>
      watched(async () => {
        const { renewalInfo } = await transport.directory(signal);
        const replaces = renewalInfo === null || former === null ? null : certificateId(former);
        const ours = await account(signal);
        try {
          return await orderCertificate(
            { transport, account: ours, responder, clock, log },
            { ...form, replaces },
            signal,
          );
        } catch (error) {
          if (!isUnknownAccount(error)) throw error;
          opening = null;
          await forgetAccount(accountOptions);
          throw new AuthorityDown('the authority has forgotten our account; it is registered anew', { cause: error });
        }
      }, signal),
    close: () => transport.close(),
  };
}
