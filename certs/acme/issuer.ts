// Has certificates issued and renewed: looks what is due, takes the lock, runs some orders side by side, and keeps what comes of them.

import type { X509Certificate } from 'node:crypto';
import type { CertificatePicture, Store } from '../../src/ports/index.ts';
import { messageOf, sleep, type Clock, type Logger, type Metrics, type Random } from '../../src/runtime/index.ts';
import { createAcmeMetrics, type AcmeMetrics, type Numbers } from './acme-metrics.ts';
import type { Authority, RenewalAdvice } from './authority.ts';
import { takeLock, type HeldLock } from './issuer-lock.ts';
import type { Attempts, Kept, KeptCertificate } from './kept.ts';
import { pictureOf } from './picture.ts';
import { AcmeProblem, AuthorityDown, hintFor } from './problem.ts';
import { renewalTime } from './renewal.ts';
import { nameOf, type Wanted, type WantedCertificate } from './wanted.ts';

export interface IssuerOptions {
  readonly authority: Authority;
  readonly kept: Kept;
  readonly store: Store;
  readonly keyType: 'ecdsa' | 'rsa';
  /** Whether the configuration lets it be asked for: the store may have more, of former configurations and of other sources. */
  readonly isAllowed: (name: string) => boolean;
  /** What is wanted now; null while nobody knows the routes. */
  readonly wanted: () => Wanted | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** `picture` may give something else now. */
  readonly onChange: () => void;
}

const mostSideBySide = 4;
/** Authorities limit new orders by the hour: a flood of routes must not lock us out. */
const mostOrdersAnHour = 100;
const hourMs = 3_600_000;
/** The store is read again: another edge may have issued. */
const readEveryMs = 60_000;
const lockedWaitMs = 500;
/** The other edge is at work: what it gets is looked for sooner. */
const readLockedEveryMs = 5_000;
const leastWaitMs = 50;
const minuteMs = 60_000;
/** Once soon, for what was a moment's trouble; then five failures in the first hour, as many as Let's Encrypt takes for one name; then ever fewer. */
const retriesMs = [0.5, 5, 15, 30, 60, 120, 240, 480, 720].map((minutes) => minutes * minuteMs);
const adviceAfterRefusalMs = 21_600_000;
const keptAfterEndMs = 30 * 86_400_000;

export class Issuer {
  readonly #options: IssuerOptions;
  readonly #metrics: AcmeMetrics;
  readonly #certificates = new Map<string, KeptCertificate>();
  readonly #attempts = new Map<string, Attempts>();
  readonly #advice = new Map<string, RenewalAdvice>();
  /** A certificate that has just been renewed is not renewed again before, whatever the authority says of it. */
  readonly #notAgainBefore = new Map<string, number>();
  readonly #busy = new Map<string, Promise<void>>();
  readonly #damaged = new Set<string>();
  #wanted: Wanted | null = null;
  #orderedAt: number[] = [];
  #readAt = -Infinity;
  #storeProblem: string | null = null;
  #lock: HeldLock | null = null;
  #woken = new AbortController();
  #wasTroubled = false;
  #edition = 0;

  constructor(options: IssuerOptions) {
    this.#options = options;
    this.#metrics = createAcmeMetrics(options.metrics, options.authority.name);
    this.#metrics.onRead(() => this.#numbers());
  }

  /** Reads the store. Asks no authority. */
  async load(): Promise<void> {
    await this.#read();
  }

  picture(): CertificatePicture {
    return pictureOf({
      certificates: [...this.#certificates.values()].filter(({ id }) => this.#options.isAllowed(nameOf(id))),
      attempts: this.#attempts,
      wanted: this.#wanted,
      damaged: [...this.#damaged],
      storeProblem: this.#storeProblem,
      authority: { name: this.#options.authority.name, trouble: this.#options.authority.trouble() },
      waiting: this.#late(),
      renewAt: (certificate) => this.#renewAt(certificate),
      now: this.#options.clock.now(),
    });
  }

  /** Another one with each certificate that came. */
  edition(): number {
    return this.#edition;
  }

  /** Something may be due that was not. */
  look(): void {
    this.#woken.abort();
  }

  /** Until `signal` ends it. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      this.#woken = new AbortController();
      let waitMs = lockedWaitMs;
      try {
        waitMs = await this.#pass(signal);
        this.#storeProblem = null;
      } catch (error) {
        // Authorities' failures were taken in below: what comes here is the store's.
        if (this.#storeProblem === null) log.error({ error: messageOf(error) }, 'certificates cannot be kept or read');
        this.#storeProblem = messageOf(error);
      }
      this.#sayRecovered();
      this.#options.onChange();
      await sleep(clock, waitMs, AbortSignal.any([signal, this.#woken.signal]));
    }
    await Promise.all(this.#busy.values());
    await this.#release();
  }

  #sayRecovered(): void {
    const { authority, log } = this.#options;
    const isTroubled = authority.trouble() !== null;
    if (this.#wasTroubled && !isTroubled)
      log.info({ authority: authority.name }, 'certificate authority answers again');
    this.#wasTroubled = isTroubled;
  }

  async #pass(signal: AbortSignal): Promise<number> {
    const { clock } = this.#options;
    this.#wanted = this.#options.wanted();
    if (clock.monotonic() - this.#readAt >= readEveryMs) await this.#read();
    const isFree = await this.#startDue(signal);
    await this.#askAdvice(signal);
    if (this.#busy.size === 0) await this.#release();
    return isFree ? this.#untilNext() : lockedWaitMs;
  }

  /** False: another edge has the lock. */
  async #startDue(signal: AbortSignal): Promise<boolean> {
    const { store, kept, clock } = this.#options;
    if (this.#isPaused() || this.#due().length === 0) return true;
    if (this.#lock?.lost.aborted === true) await this.#release();
    if (this.#lock === null) {
      this.#lock = await takeLock({ store, storeKey: kept.lockKey, clock });
      if (this.#lock === null) {
        if (clock.monotonic() - this.#readAt >= readLockedEveryMs) await this.#read();
        return false;
      }
      // Whoever had it before may have done the work.
      await this.#read();
    }
    const allowed = AbortSignal.any([signal, this.#lock.lost]);
    for (const one of this.#due().slice(0, mostSideBySide - this.#busy.size)) {
      if (!this.#mayOrder()) break;
      const run = this.#order(one, allowed).finally(() => {
        this.#busy.delete(one.id);
        this.#options.onChange();
        this.look();
      });
      this.#busy.set(one.id, run);
    }
    return true;
  }

  async #order({ id, name }: WantedCertificate, signal: AbortSignal): Promise<void> {
    const { authority, kept, keyType, clock, log } = this.#options;
    const former = this.#certificates.get(id) ?? null;
    try {
      const issued = await authority.order({ names: [name], keyType }, former?.leaf ?? null, signal);
      const certificate = await kept.keep(id, issued);
      this.#take(certificate);
      if (former !== null) this.#notAgainBefore.set(id, clock.now() + Math.min(hourMs, lifeOf(certificate.leaf) / 4));
      this.#attempts.delete(id);
      await kept.setAttempts(id, null);
      (former === null ? this.#metrics.issued : this.#metrics.renewed).value++;
      const fields = { name, authority: authority.name, until: new Date(certificate.leaf.validTo).toISOString() };
      log.info(fields, former === null ? 'certificate issued' : 'certificate renewed');
    } catch (error) {
      if (!signal.aborted) await this.#failed({ id, name }, error);
    }
  }

  async #failed({ id, name }: WantedCertificate, error: unknown): Promise<void> {
    const { authority, kept, clock, random, log } = this.#options;
    if (error instanceof AcmeProblem) this.#metrics.problem(error.problem.type);
    if (error instanceof AuthorityDown) this.#metrics.unreachable.value++;
    if (error instanceof AuthorityDown || authority.trouble() !== null) return;
    this.#metrics.failed.value++;
    const failures = (this.#attempts.get(id)?.failures ?? 0) + 1;
    const mostMs = retriesMs[Math.min(failures, retriesMs.length) - 1] ?? hourMs;
    const retryAfterMs = error instanceof AcmeProblem ? error.retryAfterMs : 0;
    const notBefore = clock.now() + Math.max(mostMs * (0.75 + random() / 4), retryAfterMs);
    const hint = error instanceof AcmeProblem ? hintFor(error.problem) : 'see the reason; it is tried again later';
    const attempts = { failures, notBefore, reason: messageOf(error), hint };
    this.#attempts.set(id, attempts);
    await kept.setAttempts(id, attempts).catch((problem: unknown) => {
      log.warn(
        { name, error: messageOf(problem) },
        'a failed order cannot be kept; a restart would order again at once',
      );
    });
  }

  async #askAdvice(signal: AbortSignal): Promise<void> {
    const { authority, clock } = this.#options;
    for (const { id } of this.#wanted?.certificates ?? []) {
      const certificate = this.#certificates.get(id);
      if (certificate === undefined || this.#busy.has(id) || (this.#advice.get(id)?.askAgainAt ?? 0) > clock.now())
        continue;
      if (signal.aborted || this.#isPaused()) return;
      try {
        const advice = await authority.advice(certificate.leaf, signal);
        if (this.#certificates.get(id) === certificate) this.#advice.set(id, advice);
      } catch (error) {
        if (error instanceof AuthorityDown) this.#metrics.unreachable.value++;
        else this.#adviceRefused(id);
      }
    }
  }

  /** What it said last stays; without that, age decides. */
  #adviceRefused(id: string): void {
    const window = this.#advice.get(id)?.window ?? null;
    this.#advice.set(id, { window, askAgainAt: this.#options.clock.now() + adviceAfterRefusalMs });
  }

  async #read(): Promise<void> {
    const { kept, clock, log } = this.#options;
    const found = await kept.certificates((key) => {
      if (!this.#damaged.has(key)) log.warn({ key }, 'a kept certificate cannot be read; it is ordered anew');
      this.#damaged.add(key);
    });
    const wanted = new Set(this.#wanted?.certificates.map(({ id }) => id));
    for (const certificate of found) {
      const { id, chain, leaf } = certificate;
      this.#damaged.delete(id);
      const isGone =
        Date.parse(leaf.validTo) + keptAfterEndMs < clock.now() && this.#wanted !== null && !wanted.has(id);
      if (isGone) await kept.forget(id);
      if (isGone) this.#certificates.delete(id);
      else if (this.#certificates.get(id)?.chain !== chain) {
        this.#take(certificate);
      }
    }
    for (const id of wanted) {
      const attempts = await kept.attempts(id);
      if (attempts === null) this.#attempts.delete(id);
      else this.#attempts.set(id, attempts);
    }
    this.#readAt = clock.monotonic();
  }

  #take(certificate: KeptCertificate): void {
    this.#certificates.set(certificate.id, certificate);
    this.#advice.delete(certificate.id);
    this.#edition++;
  }

  #isPaused(): boolean {
    return (this.#options.authority.trouble()?.until ?? 0) > this.#options.clock.now();
  }

  #mayOrder(): boolean {
    const now = this.#options.clock.monotonic();
    this.#orderedAt = this.#orderedAt.filter((at) => now - at < hourMs);
    return this.#orderedAt.length < mostOrdersAnHour && this.#orderedAt.push(now) > 0;
  }

  #renewAt({ id, leaf }: KeptCertificate): number {
    return Math.max(renewalTime(leaf, this.#advice.get(id)?.window ?? null), this.#notAgainBefore.get(id) ?? 0);
  }

  /** Epoch milliseconds; 0: there is none. */
  #wantedAt({ id }: WantedCertificate): number {
    const certificate = this.#certificates.get(id);
    return certificate === undefined ? 0 : this.#renewAt(certificate);
  }

  #dueAt(one: WantedCertificate): number {
    return Math.max(this.#wantedAt(one), this.#attempts.get(one.id)?.notBefore ?? 0);
  }

  #due(): readonly WantedCertificate[] {
    const now = this.#options.clock.now();
    const open = (this.#wanted?.certificates ?? []).filter((one) => !this.#busy.has(one.id) && this.#dueAt(one) <= now);
    // Names without a certificate first, then those that have waited longest.
    return open.sort((a, b) => this.#wantedAt(a) - this.#wantedAt(b));
  }

  #late(): readonly string[] {
    const now = this.#options.clock.now();
    return (this.#wanted?.certificates ?? []).filter((one) => this.#wantedAt(one) <= now).map(({ name }) => name);
  }

  #untilNext(): number {
    const now = this.#options.clock.now();
    const times = (this.#wanted?.certificates ?? []).flatMap((one) => {
      const asked = this.#advice.get(one.id)?.askAgainAt;
      return this.#busy.has(one.id) ? [] : [this.#dueAt(one), ...(asked === undefined ? [] : [asked])];
    });
    const least = this.#isPaused() ? (this.#options.authority.trouble()?.until ?? now) - now : leastWaitMs;
    const next = times.length === 0 ? readEveryMs : Math.min(...times) - now;
    return Math.min(Math.max(next, least, leastWaitMs), readEveryMs);
  }

  async #release(): Promise<void> {
    const lock = this.#lock;
    this.#lock = null;
    await lock?.release();
  }

  #numbers(): Numbers {
    const now = this.#options.clock.now();
    const times = (this.#wanted?.certificates ?? []).map((one) => this.#wantedAt(one)).filter((at) => at > 0);
    return {
      reachable: this.#options.authority.trouble() === null,
      waiting: this.#late().length,
      nextRenewalSeconds: times.length === 0 ? null : (Math.min(...times) - now) / 1000,
    };
  }
}

const lifeOf = (leaf: X509Certificate): number => Date.parse(leaf.validTo) - Date.parse(leaf.validFrom);
