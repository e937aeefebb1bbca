// `forwards`: fixed addresses here that stand for addresses, VIPs or apps elsewhere.

import { defaulted, list, nonEmpty, oneOf, required, section, text, type Field, mapped } from './field.ts';
import { type Address, parseEndpoint } from './host-port.ts';
import { isMistake, type Mistake } from './mistake.ts';
import { forwardLimits, forwardTimeouts, type Limits, limitsOf, type Timeouts, timeoutsOf } from './traffic-limits.ts';
import { cidr, listenAddress } from './value-fields.ts';

export type ForwardTarget =
  | ({ readonly kind: 'address' } & Address)
  /** `vip:/name:port`; the name as its label writes it. */
  | { readonly kind: 'vip'; readonly name: string; readonly port: number }
  /** `app:/id:portname`. */
  | { readonly kind: 'app'; readonly id: string; readonly portName: string };

export interface ForwardConfig {
  readonly listen: Address;
  readonly to: readonly ForwardTarget[];
  /** Networks of clients. */
  readonly from: readonly string[];
  /** PROXY header towards the target. */
  readonly proxyProtocol: 'off' | 'v1' | 'v2';
  readonly limits: Limits<typeof forwardLimits>;
  readonly timeouts: Timeouts<typeof forwardTimeouts>;
}

export function forwardsSection(): Field<readonly ForwardConfig[]> {
  const from = nonEmpty(fromField, 'name the networks of clients, or any', 'is empty, so nobody may use it');
  const target = text(parseForwardTarget, 'HOST:PORT, vip:/name:port or app:/id:portname');
  return list(
    section({
      listen: listenAddress,
      to: required(nonEmpty(list(target), 'write HOST:PORT'), 'HOST:PORT, vip:/name:port or app:/id:portname'),
      from: required(from, 'the networks of clients, such as from: [10.0.0.0/8], or from: any'),
      proxyProtocol: defaulted(oneOf('off', 'v1', 'v2'), 'off'),
      limits: limitsOf(forwardLimits),
      timeouts: timeoutsOf(forwardTimeouts),
    }),
  );
}

const anyone: readonly string[] = ['0.0.0.0/0', '::/0'];

/** A public address needs its clients named; everybody must be written out as `any`. */
const fromField: Field<readonly string[]> = mapped(
  list(
    text<readonly string[]>(
      (value) => (value === 'any' ? anyone : one(value)),
      'the networks of clients: [10.0.0.0/8], or any',
    ),
  ),
  (networks) => networks.flat(),
);

function one(value: string): readonly string[] | Mistake {
  const network = cidr.safeParse(value);
  return network.success
    ? [network.data]
    : {
        wrong: network.error.issues[0]?.message ?? 'is no network',
        remedy: 'write a network, such as 10.0.0.0/8, or any',
      };
}

export function parseForwardTarget(value: string): ForwardTarget | Mistake {
  const [, kind, name = '', last = ''] = /^(vip|app):(\/.*):([^:]*)$/.exec(value) ?? [];
  if (kind === 'vip') {
    const port = Number(last);
    const isPort = /^\d{1,5}$/.test(last) && port >= 1 && port <= 65_535;
    return isPort && name.length > 1
      ? { kind: 'vip', name, port }
      : { wrong: 'is no VIP', remedy: 'write vip:/name:port' };
  }
  if (kind === 'app') {
    const isApp = /^\/[A-Za-z0-9._/-]+$/.test(name) && last !== '';
    return isApp
      ? { kind: 'app', id: name, portName: last }
      : { wrong: 'is no app port', remedy: 'write app:/id:portname' };
  }
  const address = parseEndpoint(value);
  if (isMistake(address)) return { ...address, remedy: 'write HOST:PORT, vip:/name:port or app:/id:portname' };
  return { kind: 'address', ...address };
}
