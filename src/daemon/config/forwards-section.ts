// `forwards`: fixed addresses here that stand for addresses, VIPs or apps elsewhere.

import {
  checked,
  defaulted,
  flag,
  list,
  mapped,
  nonEmpty,
  oneOf,
  optional,
  required,
  section,
  text,
  word,
  type Field,
} from './field.ts';
import type { FileFields } from './file-fields.ts';
import { type Address, parseEndpoint, parseListenAddress } from './host-port.ts';
import { isMistake, type Mistake } from './mistake.ts';
import { eachPort } from './port-range.ts';
import { forwardLimits, forwardTimeouts, type Limits, limitsOf, type Timeouts, timeoutsOf } from './traffic-limits.ts';
import { cidr, cidrs } from './value-fields.ts';

export type ForwardTarget =
  | ({ readonly kind: 'address' } & Address)
  /** `vip:/name:port`; the name as its label writes it. */
  | { readonly kind: 'vip'; readonly name: string; readonly port: number }
  /** `app:/id:portname`. */
  | { readonly kind: 'app'; readonly id: string; readonly portName: string };

/** How targets are spoken to in TLS. Files are absolute paths to PEM. */
export interface ForwardTls {
  /** Whose certificate is due; null: that of the target's name or address. */
  readonly serverName: string | null;
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  readonly insecure: boolean;
}

/** One port; a range in the file is as many of these. */
export interface ForwardConfig {
  readonly listen: Address;
  readonly to: readonly ForwardTarget[];
  /** Networks of clients. */
  readonly from: readonly string[];
  /** PROXY header towards the target. */
  readonly proxyProtocol: 'off' | 'v1' | 'v2';
  /** Peers that must send a PROXY header themselves, whose word on the client is taken. */
  readonly proxyProtocolFrom: readonly string[];
  readonly tls: ForwardTls | null;
  readonly limits: Limits<typeof forwardLimits>;
  readonly timeouts: Timeouts<typeof forwardTimeouts>;
}

export function forwardsSection(files: FileFields): Field<readonly ForwardConfig[]> {
  const from = nonEmpty(fromField, 'name the networks of clients, or any', 'is empty, so nobody may use it');
  const listen = text((value) => eachPort(value, parseListenAddress), 'IP:PORT or IP:FIRST-LAST');
  const target = text(
    (value) => eachPort(value, parseForwardTarget),
    'HOST:PORT, HOST:FIRST-LAST, vip:/name:port or app:/id:portname',
  );
  const fields = section({
    listen,
    to: required(nonEmpty(list(target), 'write HOST:PORT'), 'HOST:PORT, vip:/name:port or app:/id:portname'),
    from: required(from, 'the networks of clients, such as from: [10.0.0.0/8], or from: any'),
    proxyProtocol: defaulted(oneOf('off', 'v1', 'v2'), 'off'),
    proxyProtocolFrom: defaulted(cidrs, []),
    tls: forwardTls(files),
    limits: limitsOf(forwardLimits),
    timeouts: timeoutsOf(forwardTimeouts),
  });
  const paired = checked(fields, ['listen', 'to'], ({ listen, to }, fail) => {
    to.forEach((targets, i) => {
      if (targets.length !== listen.length) fail(['to', i], unpaired(listen.length, targets.length));
    });
  });
  const ofPort = (value: Section, i: number): ForwardConfig => ({
    ...value,
    listen: value.listen[i] as Address,
    to: value.to.map((targets) => targets[i] as ForwardTarget),
  });
  return mapped(list(paired), (forwards) =>
    forwards.flatMap((forward) => forward.listen.map((_, i) => ofPort(forward, i))),
  );
}

type Section = Omit<ForwardConfig, 'listen' | 'to'> & {
  readonly listen: readonly Address[];
  readonly to: readonly (readonly ForwardTarget[])[];
};

const unpaired = (listened: number, targeted: number): Mistake => ({
  wrong: `stands for ${targeted} ports, and listen for ${listened}`,
  remedy: 'write as many ports here as in listen: the first leads to the first',
});

function forwardTls({ file }: FileFields): Field<ForwardTls | null> {
  const fields = section({
    serverName: optional(word, null),
    ca: optional(file, null),
    cert: optional(file, null),
    key: optional(file, null),
    insecure: defaulted(flag, false),
  });
  const whole = checked(fields, ['cert', 'key'], ({ cert, key }, fail) => {
    if ((cert === null) !== (key === null))
      fail([cert === null ? 'key' : 'cert'], {
        wrong: `stands without ${cert === null ? 'cert' : 'key'}`,
        remedy: 'give cert and key together',
      });
  });
  return optional(whole, null);
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
