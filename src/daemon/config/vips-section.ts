// `vips`: which plane balances connections to VIPs, and which addresses named VIPs are given.

import { defaulted, flag, oneOf, section, text, type Field } from './field.ts';
import { type IpRange, parseIpRange } from './ip-range.ts';
import { type Limits, limitsOf, type Timeouts, timeoutsOf, vipLimits, vipTimeouts } from './traffic-limits.ts';

export interface VipsConfig {
  readonly plane: 'auto' | 'kernel' | 'user';
  readonly range: IpRange;
  readonly range6: IpRange;
  readonly ipv6: boolean;
  readonly limits: Limits<typeof vipLimits>;
  readonly timeouts: Timeouts<typeof vipTimeouts>;
}

export function vipsSection(): Field<VipsConfig> {
  return section({
    plane: defaulted(oneOf('auto', 'kernel', 'user'), 'auto'),
    range: defaulted(
      text((value) => parseIpRange(value, 4)),
      '11.0.0.0-11.255.255.255',
    ),
    range6: defaulted(
      text((value) => parseIpRange(value, 6)),
      'fd01:c::-fd01:c::ffff:ffff:ffff:ffff',
    ),
    ipv6: defaulted(flag, true),
    limits: limitsOf(vipLimits),
    timeouts: timeoutsOf(vipTimeouts),
  });
}
