// Networks: `10.0.0.0/8`, `fd00::/8`; a lone address is a network of one.

import { bitsOf, formatIp, type IpNumber, parseIp } from './ip-number.ts';
import { isMistake, type Mistake } from './mistake.ts';

interface Network {
  readonly first: IpNumber;
  readonly last: IpNumber;
  readonly prefix: number;
}

const shape: Mistake = { wrong: 'is no network', remedy: 'write ADDRESS/BITS, such as 10.0.0.0/8, or one address' };

/** One spelling of a network, `address/bits`; bits set beyond the prefix are refused, since they are a typing mistake more often than not. */
export function parseCidr(text: string): string | Mistake {
  const network = parseNetwork(text);
  return isMistake(network) ? network : `${formatIp(network.first)}/${network.prefix}`;
}

export function parseNetwork(text: string): Network | Mistake {
  const [, address = '', bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text) ?? [];
  const ip = parseIp(address);
  if (ip === null) return shape;
  const most = bitsOf(ip.family);
  const prefix = bits === undefined ? most : Number(bits);
  if (prefix > most) return { wrong: `has more than ${most} bits`, remedy: `write a prefix from /0 to /${most}` };
  const hostBits = BigInt(most - prefix);
  const first: IpNumber = { family: ip.family, value: (ip.value >> hostBits) << hostBits };
  if (first.value !== ip.value) {
    return {
      wrong: 'has bits beyond its prefix',
      remedy: `write ${formatIp(first)}/${prefix}, or ${address} for one address`,
    };
  }
  return { first, last: { family: ip.family, value: first.value + (1n << hostBits) - 1n }, prefix };
}
