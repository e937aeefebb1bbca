// From server names to certificates (specs/l7.md §4.1): exact name, then the wildcard of one label, then the default. What is valid now
// beats what is not, then what lasts longest wins; a certificate of each kind of key answers side by side.

import { comparableName, wildcardOf } from './certificate-names.ts';
import type { ServedCertificate } from './tls-material.ts';

/** What is looked at to choose. */
export type Choosable = Pick<ServedCertificate, 'names' | 'keyType' | 'notBefore' | 'notAfter'>;

export interface Choice<C extends Choosable> {
  /** The best, then the best of each other kind of key that is for the same name. */
  readonly certificates: readonly C[];
  /** Whether it is for the name that was asked for. */
  readonly matched: boolean;
}

export interface NameTable<C extends Choosable> {
  /**
   * For the name of a ClientHello; null: none. `now`: milliseconds since 1970. Null: there is no certificate at all, or none for the name
   * where `strict`.
   */
  choose(serverName: string | null, now: number, strict: boolean): Choice<C> | null;
}

export function createNameTable<C extends Choosable>(certificates: readonly C[], fallback: C | null): NameTable<C> {
  const byName = new Map<string, C[]>();
  for (const certificate of certificates) {
    for (const name of certificate.names) {
      const held = byName.get(name);
      if (held === undefined) byName.set(name, [certificate]);
      else held.push(certificate);
    }
  }
  const first = certificates[0] ?? fallback;
  const defaults = certificates.filter((one) => one.names[0] === first?.names[0]);
  return {
    choose(serverName, now, strict) {
      const name = comparableName(serverName);
      const exact = (name === null ? undefined : byName.get(name)) ?? [];
      const wildcard = name === null ? null : wildcardOf(name);
      const wild = (wildcard === null ? undefined : byName.get(wildcard)) ?? [];
      const group = exact.some((one) => isValid(one, now)) || !wild.some((one) => isValid(one, now)) ? exact : wild;
      const found = group.length > 0 ? group : wild;
      if (found.length > 0) return { certificates: bestOfEachKind(found, now), matched: true };
      if (strict || first === null) return null;
      return { certificates: defaults.length > 0 ? bestOfEachKind(defaults, now) : [first], matched: false };
    },
  };
}

function bestOfEachKind<C extends Choosable>(group: readonly C[], now: number): readonly C[] {
  const sorted = [...group].sort((a, b) => compare(a, b, now));
  const [best] = sorted;
  const isBestValid = best !== undefined && isValid(best, now);
  const kinds = new Set<string>();
  return sorted.filter((one) => {
    if (kinds.has(one.keyType) || (isBestValid && !isValid(one, now))) return false;
    kinds.add(one.keyType);
    return true;
  });
}

function compare(a: Choosable, b: Choosable, now: number): number {
  return Number(isValid(b, now)) - Number(isValid(a, now)) || b.notAfter - a.notAfter;
}

export const isValid = ({ notBefore, notAfter }: Choosable, now: number): boolean =>
  notBefore <= now && now <= notAfter;
