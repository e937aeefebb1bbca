// `httpProxy`: the forward proxy, by which the cluster reaches the outside.

import { checked, defaulted, distinct, flag, nonEmpty, optional, section, type Field } from './field.ts';
import type { FileFields } from './file-fields.ts';
import type { Address } from './host-port.ts';
import { clearPasswordMistake } from './clear-passwords.ts';
import { type AccessRule, rulesField } from './rules.ts';
import {
  httpProxyLimits,
  httpProxyTimeouts,
  type Limits,
  limitsOf,
  type Timeouts,
  timeoutsOf,
} from './traffic-limits.ts';
import { addressKey, cidrs, endpoint, listenAddresses } from './value-fields.ts';

export interface HttpProxyConfig {
  readonly listen: readonly Address[];
  /** Users file, absolute; null: no passwords. */
  readonly users: string | null;
  readonly clearAuth: boolean;
  readonly tls: boolean;
  readonly proxyProtocol: readonly string[];
  readonly rules: readonly AccessRule[];
  /** Serve /proxy.pac, /wpad.dat and /proxy.env. */
  readonly pac: boolean;
  /** How clients reach us, for those files; empty: the address they asked at. */
  readonly advertise: readonly Address[];
  readonly limits: Limits<typeof httpProxyLimits>;
  readonly timeouts: Timeouts<typeof httpProxyTimeouts>;
}

export function httpProxySection({ file }: FileFields): Field<HttpProxyConfig> {
  const fields = section({
    listen: defaulted(nonEmpty(listenAddresses, 'write listen: ["127.0.0.1:3128"], or remove the section'), [
      '127.0.0.1:3128',
    ]),
    users: optional(file, null),
    clearAuth: defaulted(flag, false),
    tls: defaulted(flag, false),
    proxyProtocol: defaulted(cidrs, []),
    rules: rulesField(),
    pac: defaulted(flag, true),
    advertise: defaulted(distinct(endpoint, addressKey), []),
    limits: limitsOf(httpProxyLimits),
    timeouts: timeoutsOf(httpProxyTimeouts),
  });
  return checked(fields, ['listen', 'users', 'clearAuth', 'tls'], (proxy, fail) => {
    const mistake = clearPasswordMistake(proxy);
    if (mistake !== null) fail(['users'], mistake);
  });
}
