// What the DNS server's names must be (specs/dns.md §4.6): its domain, zones forwarded elsewhere, the names of its SOA.

import type { Mistake } from './mistake.ts';

/** Labels of letters, digits, `-` and `_`, joined by dots, none before the first or after the last; lower case comes back. */
export function parseDomain(text: string): string | Mistake {
  const remedy = 'write labels joined by dots, such as mesos or dc1.mesos, with no dot before or after';
  if (text.length > 190) return { wrong: 'is too long for names below it', remedy };
  return isDomain(text) ? text.toLowerCase() : { wrong: 'is no domain', remedy };
}

/** A name with exactly one dot at its end; `@` becomes a dot. */
export function parseSoaName(text: string): string | Mistake {
  const name = text.replaceAll('@', '.').replace(/\.+$/, '');
  if (!isDomain(name)) return { wrong: 'is no domain name', remedy: 'write a name, such as ns1.mesos' };
  return `${name.toLowerCase()}.`;
}

/** Why a zone cannot be forwarded where `domain` is our own, or null. */
export function judgeForwardZone(zone: string, domain: string): Mistake | null {
  const name = zone.toLowerCase();
  if (!isDomain(name)) return { wrong: 'is no zone', remedy: 'write labels joined by dots, such as corp.example' };
  if (isWithin(name, domain) || isWithin(domain, name)) {
    return {
      wrong: `meets our own domain ${domain}`,
      remedy: 'forward zones beside it: names in it are answered here',
    };
  }
  return null;
}

/** The forwarded zone among `others` that `zone` lies inside, or undefined. */
export function outerZone(zone: string, others: readonly string[]): string | undefined {
  const name = zone.toLowerCase();
  return others.find((other) => other.toLowerCase() !== name && isWithin(name, other.toLowerCase()));
}

function isDomain(text: string): boolean {
  return (
    text.length <= 253 &&
    /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i.test(text)
  );
}

function isWithin(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}
