// `httpProxy`: the forward proxy, by which the cluster reaches the outside.

import { checked, defaulted, distinct, flag, list, nonEmpty, optional, section, text, type Field } from './field.ts';
import type { FileFields } from './file-fields.ts';
import type { Address } from './host-port.ts';
import { parseCidr } from './cidr.ts';
import { clearPasswordMistake } from './clear-passwords.ts';
import type { Mistake } from './mistake.ts';
import { type AccessRule, rulesField } from './rules.ts';
import { sessionLogField, type SessionLogConfig } from './session-log.ts';
import {
  httpProxyLimits,
  httpProxyTimeouts,
  type Limits,
  limitsOf,
  type Timeouts,
  timeoutsOf,
} from './traffic-limits.ts';
import { addressKey, cidrs, endpoint, hostGlob, listenAddresses } from './value-fields.ts';

export interface HttpProxyConfig {
  readonly listen: readonly Address[];
  /** Users file, absolute; null: no passwords. */
  readonly users: string | null;
  readonly clearAuth: boolean;
  readonly tls: boolean;
  readonly proxyProtocol: readonly string[];
  readonly rules: readonly AccessRule[];
  /** Serve /proxy.pac, /wpad.dat, /proxy.env and /proxy.json. */
  readonly pac: boolean;
  /** How clients reach us, for those files; empty: the address they asked at. */
  readonly advertise: readonly Address[];
  /** What clients reach without us, besides zones, VIPs and private networks: names, `*.domain`, networks. */
  readonly direct: readonly string[];
  /** A tunnel must begin with a ClientHello for the name of its CONNECT. */
  readonly requireSniMatch: boolean;
  /** Null: sessions are told in the log. */
  readonly sessionLog: SessionLogConfig | null;
  readonly limits: Limits<typeof httpProxyLimits>;
  readonly timeouts: Timeouts<typeof httpProxyTimeouts>;
}

export function httpProxySection(files: FileFields): Field<HttpProxyConfig> {
  const { file } = files;
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
    direct: defaulted(list(directPlace), []),
    requireSniMatch: defaulted(flag, false),
    sessionLog: sessionLogField(files),
    limits: limitsOf(httpProxyLimits),
    timeouts: timeoutsOf(httpProxyTimeouts),
  });
  return checked(fields, ['listen', 'users', 'clearAuth', 'tls'], (proxy, fail) => {
    const mistake = clearPasswordMistake(proxy);
    if (mistake !== null) fail(['users'], mistake);
  });
}

/** What looks like an address is judged as a network, everything else as a name. */
const directPlace: Field<string> = text<string>((value): string | Mistake => {
  if (/[/:]|^[\d.]+$/.test(value)) return parseCidr(value);
  const name = hostGlob.safeParse(value);
  return name.success
    ? name.data
    : { wrong: 'is neither a name nor a network', remedy: 'write corp.example, *.corp.example or 10.0.0.0/8' };
}, 'a name, *.domain or a network');
