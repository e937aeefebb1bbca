// `socks`: the SOCKS server, by which legacy systems reach the cluster.

import { checked, defaulted, distinct, flag, nonEmpty, oneOf, optional, section, text, type Field } from './field.ts';
import type { FileFields } from './file-fields.ts';
import type { Address } from './host-port.ts';
import type { Mistake } from './mistake.ts';
import { clearPasswordMistake } from './clear-passwords.ts';
import { type AccessRule, type RuleCommand, rulesField } from './rules.ts';
import { sessionLogField, type SessionLogConfig } from './session-log.ts';
import { type Limits, limitsOf, socksLimits, socksTimeouts, type Timeouts, timeoutsOf } from './traffic-limits.ts';
import { cidrs, ipAddress, listenAddresses } from './value-fields.ts';

export interface SocksConfig {
  readonly listen: readonly Address[];
  readonly versions: readonly (4 | 5)[];
  readonly commands: readonly RuleCommand[];
  /** Address that BIND and UDP tell clients; null: that of the connection. */
  readonly advertise: string | null;
  /** Ports that BIND and UDP take, both ends included; null: any free one. */
  readonly portRange: { readonly first: number; readonly last: number } | null;
  /** Users file, absolute; null: no passwords. */
  readonly users: string | null;
  readonly clearAuth: boolean;
  /** Listen with TLS, by the certificates of `certs`. */
  readonly tls: boolean;
  /** Serve HTTP beside SOCKS, by what `httpProxy` says: the first byte tells them apart. */
  readonly mixed: boolean;
  /** Peers that must send a PROXY header. */
  readonly proxyProtocol: readonly string[];
  readonly rules: readonly AccessRule[];
  /** Null: sessions are told in the log. */
  readonly sessionLog: SessionLogConfig | null;
  readonly limits: Limits<typeof socksLimits>;
  readonly timeouts: Timeouts<typeof socksTimeouts>;
}

export function socksSection(files: FileFields): Field<SocksConfig> {
  const { file } = files;
  const fields = section({
    listen: defaulted(nonEmpty(listenAddresses, 'write listen: ["127.0.0.1:1080"], or remove the section'), [
      '127.0.0.1:1080',
    ]),
    versions: defaulted(
      nonEmpty(
        distinct(oneOf('4', '4a', '5').transform((version): 4 | 5 => (version === '5' ? 5 : 4))),
        'write [5] or [4, 5]',
      ),
      [5],
    ),
    commands: defaulted(distinct(oneOf('connect', 'bind', 'udp')), ['connect']),
    advertise: optional(ipAddress, null),
    portRange: optional(text(parsePortRange), null),
    users: optional(file, null),
    clearAuth: defaulted(flag, false),
    tls: defaulted(flag, false),
    mixed: defaulted(flag, false),
    proxyProtocol: defaulted(cidrs, []),
    rules: rulesField(),
    sessionLog: sessionLogField(files),
    limits: limitsOf(socksLimits),
    timeouts: timeoutsOf(socksTimeouts),
  });
  return checked(fields, ['listen', 'users', 'clearAuth', 'tls'], (socks, fail) => {
    const mistake = clearPasswordMistake(socks);
    if (mistake !== null) fail(['users'], mistake);
  });
}

function parsePortRange(value: string): { readonly first: number; readonly last: number } | Mistake {
  const [, first, last] = /^(\d{1,5})\s*-\s*(\d{1,5})$/.exec(value) ?? [];
  const range = { first: Number(first), last: Number(last) };
  const isRange = range.first >= 1 && range.first <= range.last && range.last <= 65_535;
  return isRange ? range : { wrong: 'is no range of ports', remedy: 'write FIRST-LAST, such as 40000-40999' };
}
