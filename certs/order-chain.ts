// The chain behind a leaf: ordered, without what does not belong to it, and completed by certificates that other files have.

import type { X509Certificate } from 'node:crypto';

export interface OrderedChain {
  /** Leaf first, without a root that clients have themselves. */
  readonly certificates: readonly X509Certificate[];
  /** Issuer that is missing at the end: in no file and no store of roots; null: the chain is whole. */
  readonly missing: string | null;
}

/** Longer chains are loops or nonsense. */
const longestChain = 10;

/**
 * Follows the issuers of `leaf` through the certificates that came with it, then those of `pool` (issuers by subject). `isRoot` says
 * whether clients may be expected to have a certificate of that subject.
 */
export function orderChain(
  leaf: X509Certificate,
  companions: readonly X509Certificate[],
  pool: ReadonlyMap<string, readonly X509Certificate[]>,
  isRoot: (subject: string) => boolean,
): OrderedChain {
  const chain = [leaf];
  let last = leaf;
  while (!isSelfIssued(last) && chain.length < longestChain) {
    const current = last;
    const signed = (other: X509Certificate): boolean => !chain.includes(other) && hasIssued(other, current);
    const next = companions.find(signed) ?? pool.get(current.issuer)?.find(signed);
    if (next === undefined) return { certificates: chain, missing: isRoot(current.issuer) ? null : current.issuer };
    if (isSelfIssued(next)) break;
    chain.push(next);
    last = next;
  }
  return { certificates: chain, missing: null };
}

export const isSelfIssued = (certificate: X509Certificate): boolean => certificate.issuer === certificate.subject;

function hasIssued(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return (
    certificate.issuer === issuer.subject && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)
  );
}
