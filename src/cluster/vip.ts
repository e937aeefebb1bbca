// VIP labels: `VIP_0=/name:port` or `VIP_0=address:port`. Parsed once here; the table of VIPs lives in lb, their names in dns.

import { isIPv4, isIPv6 } from './address.ts';
import { mangleName } from './labels.ts';

/** The address a VIP's name was given, by family; null where the family is off or the range is used up. */
export interface Allocation {
  readonly ip4: string | null;
  readonly ip6: string | null;
}

export type VipLabel =
  /** `name` is `fragment(label).fragment(framework)`, such as `groupware-nginx.marathon`: no zone, no port. */
  | { readonly kind: 'named'; readonly name: string; readonly port: number }
  | { readonly kind: 'address'; readonly ip: string; readonly port: number };

export interface VipRejection {
  readonly rejected: string;
  readonly hint: string;
}

/** Whether a port label's key asks for a VIP: prefix `VIP` or `vip`, case-sensitive, anything may follow (specs/l4lb.md §1.2). */
export const isVipKey = (key: string): boolean => key.startsWith('VIP') || key.startsWith('vip');

export function parseVipLabel(value: string, framework: string): VipLabel | VipRejection {
  const colon = value.lastIndexOf(':');
  if (colon < 0) return { rejected: 'has no port', hint: 'write NAME:PORT, such as /web:80' };
  const portText = value.slice(colon + 1);
  const port = Number(portText);
  if (!/^\d{1,5}$/.test(portText) || port < 1 || port > 65535) {
    return { rejected: `"${portText}" is no port`, hint: 'a number from 1 to 65535 after the last colon' };
  }
  const text = value.slice(0, colon);
  if (isIPv4(text) || isIPv6(text)) return { kind: 'address', ip: text, port };
  const label = mangleName(text);
  const owner = mangleName(framework);
  if (label === '')
    return { rejected: `"${text}" holds no letter or digit`, hint: 'a name such as /web, or an IP address' };
  return { kind: 'named', name: owner === '' ? label : `${label}.${owner}`, port };
}
