// The networks that may connect to a VIP, in the form in which the kernel keeps them: masked, none inside another.

import { formatIp, parseIp, type Family } from '../ip-number.ts';

interface Network {
  readonly value: bigint;
  readonly prefix: number;
}

const bitsOf = (family: Family): number => (family === 4 ? 32 : 128);

/** `ADDRESS` or `ADDRESS/PREFIX` of one family, sorted; null: every client may. */
export function allowedNetworks(allow: readonly string[], family: Family): readonly string[] | null {
  const networks = allow.flatMap((text) => networkOf(text, family)).sort((a, b) => a.prefix - b.prefix);
  const kept: Network[] = [];
  // nft refuses an element that overlaps with another one.
  for (const network of networks) if (!kept.some((wider) => holds(wider, network, family))) kept.push(network);
  if (kept[0]?.prefix === 0) return null;
  return kept.map((network) => printNetwork(network, family)).sort();
}

function networkOf(text: string, family: Family): Network[] {
  const [address = '', length] = text.split('/');
  const parsed = parseIp(address);
  if (parsed?.family !== family) return [];
  const prefix = length === undefined ? bitsOf(family) : Number(length);
  return [{ value: masked(parsed.value, prefix, family), prefix }];
}

const masked = (value: bigint, prefix: number, family: Family): bigint => {
  const rest = BigInt(bitsOf(family) - prefix);
  return (value >> rest) << rest;
};

const holds = (wider: Network, network: Network, family: Family): boolean =>
  masked(network.value, wider.prefix, family) === wider.value;

function printNetwork({ value, prefix }: Network, family: Family): string {
  const address = formatIp({ family, value });
  return prefix === bitsOf(family) ? address : `${address}/${prefix}`;
}
