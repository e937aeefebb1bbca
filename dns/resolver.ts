// Names to addresses for the proxies: own zones from memory, the rest by the forwarder. Works whether or not a DNS listener is open.

import type { Resolution, ResolutionFailure, Resolver } from '../src/ports/index.ts';
import { isPrivate } from './answerers/private-names.ts';
import type { Forwarder } from './forwarding/forwarder.ts';
import type { Upstream } from './forwarding/upstreams.ts';
import { heldKey, renamingOf, type Renaming } from './renaming.ts';
import { decodeMessage, keyOfName, lowerCase, rcode, rrType, type Message } from './wire/index.ts';
import type { ZoneIndex } from './zone-plane.ts';

export interface ResolverOptions {
  readonly index: ZoneIndex;
  readonly forwarder: Forwarder;
  readonly renamings: readonly Renaming[];
  readonly upstreamsFor: (key: string) => readonly Upstream[];
  /** Which address comes first, as for replies. */
  readonly turn: (answers: number) => number;
}

const mostAliases = 16;

export function createResolver(options: ResolverOptions): Resolver {
  return {
    lookup(name) {
      const key = keyOfName(name);
      return key === null ? invalid(name) : lookupOwn(options, key);
    },
    async resolve(name, signal) {
      const key = keyOfName(name);
      if (key === null) return invalid(name);
      const own = lookupOwn(options, key);
      if (own !== undefined) return own;
      return withAbort(askUpstreams(options, key, name), signal);
    },
  };
}

const invalid = (name: string): ResolutionFailure => ({ failure: 'invalid', reason: `"${name}" is no domain name` });

function lookupOwn(options: ResolverOptions, asked: string): Resolution | ResolutionFailure | undefined {
  const { index, turn, renamings } = options;
  const renaming = renamingOf(renamings, asked);
  const key = renaming === undefined ? asked : heldKey(renaming, asked);
  const entry = index.find(key);
  if (entry?.zone.isSparse === true && !entry.hasRecord) return undefined;
  if (entry === undefined) {
    const zone = index.zoneOf(key);
    if (zone === undefined || zone.isSparse) return isPrivate(key) ? nonexistent : undefined;
    return index.isReady ? nonexistent : { failure: 'unavailable', reason: 'no picture of the cluster yet' };
  }
  const rrs = entry.record?.rrs ?? [];
  const of = (type: string): string[] => rrs.flatMap((rr) => (rr.type === type && 'address' in rr ? [rr.address] : []));
  return { addresses: [...turned(of('A'), turn), ...turned(of('AAAA'), turn)], own: true };
}

const nonexistent: ResolutionFailure = { failure: 'nonexistent', reason: 'no such name in a zone of the cluster' };

function turned(addresses: readonly string[], turn: (answers: number) => number): readonly string[] {
  if (addresses.length < 2) return addresses;
  const first = turn(addresses.length);
  return [...addresses.slice(first), ...addresses.slice(0, first)];
}

async function askUpstreams(
  options: ResolverOptions,
  key: string,
  name: string,
): Promise<Resolution | ResolutionFailure> {
  const upstreams = options.upstreamsFor(key);
  const ask = (type: number): ReturnType<Forwarder['ask']> =>
    options.forwarder.ask({ key, type, class: 1, checkingDisabled: false, dnssecOk: false }, upstreams);
  const outcomes = await Promise.all([ask(rrType.A), ask(rrType.AAAA)]);
  const messages = outcomes.flatMap((outcome) => ('failure' in outcome ? [] : (decodeMessage(outcome.bytes) ?? [])));
  const aliases: string[] = [];
  const addresses = messages.flatMap((message) => addressesIn(message, aliases));
  if (addresses.length > 0)
    return aliases.length === 0 ? { addresses, own: false } : { addresses, own: false, aliases };
  if (messages.some(({ flags }) => (flags & 15) === rcode.nxDomain)) {
    return { failure: 'nonexistent', reason: `${name} does not exist` };
  }
  const failure = outcomes.find((outcome) => 'failure' in outcome);
  return failure ?? { addresses: [], own: false };
}

/** Addresses of the name asked, found along its aliases, which are put to `aliases`; records of other names in the answer are none of ours. */
function addressesIn({ question, answers }: Message, aliases: string[]): readonly string[] {
  let name = lowerCase(question.name);
  for (let i = 0; i < mostAliases; i++) {
    const under = answers.filter((record) => lowerCase(record.name) === name).map(({ rdata }) => rdata);
    const addresses = under.flatMap((rdata) => (rdata.type === 'A' || rdata.type === 'AAAA' ? [rdata.address] : []));
    const alias = under.find((rdata) => rdata.type === 'CNAME');
    if (addresses.length > 0 || alias === undefined || !('target' in alias)) return addresses;
    name = lowerCase(alias.target);
    aliases.push(name.replace(/\.$/, ''));
  }
  return [];
}

/** The caller need not wait; the question itself goes on for others who may have joined it. */
function withAbort(
  asked: Promise<Resolution | ResolutionFailure>,
  signal: AbortSignal,
): Promise<Resolution | ResolutionFailure> {
  return new Promise((resolve) => {
    const abort = (): void => resolve({ failure: 'timeout', reason: 'the caller gave up' });
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    void asked.then((outcome) => {
      signal.removeEventListener('abort', abort);
      resolve(outcome);
    });
  });
}
