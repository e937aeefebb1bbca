// Composes the function `forwards`: listeners, targets that the cluster decides, and files read.

import { policyOf, type PolicyTools, type VipFunction } from '../../lb/index.ts';
import type { ClusterKnowledge, ParentLists } from '../../proxies/access/index.ts';
import {
  createForwardsFunction,
  createForwardTargets,
  pickInTurn,
  type Forward,
  type ForwardsFunction,
  type ForwardTargets,
} from '../../proxies/forwards/index.ts';
import type { Policy, Resolver } from '../ports/index.ts';
import type { Clock, Logger, Metrics, Random } from '../runtime/index.ts';
import type { Config, ForwardConfig } from './config/index.ts';
import type { ReadySocket } from './inherit.ts';
import { accessSettings, addressText, ofKey, sourceTls, targetText } from './options-of.ts';

export interface ForwardsComposition {
  readonly config: Config;
  readonly sockets: readonly ReadySocket[];
  readonly resolver: Resolver;
  readonly owners: ClusterKnowledge;
  readonly ownListeners: () => readonly string[];
  readonly parents?: ParentLists;
  readonly workers?: number;
  readonly balancing: PolicyTools;
  readonly vips: VipFunction | null;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Connections are spread at random: a forward keeps no count of what its target's backends have under way. */
const forwardPolicy = (balancing: PolicyTools): Policy => policyOf({ policy: 'random' }, balancing);

/** App ports that forwards name. */
export const appTargets = ({ forwards }: Config): readonly { readonly id: string; readonly portName: string }[] =>
  forwards.flatMap(({ to }) => to.flatMap((target) => (target.kind === 'app' ? [target] : [])));

export function composeForwardTargets(balancing: PolicyTools, random: Random): ForwardTargets {
  return createForwardTargets(forwardPolicy(balancing), random);
}

export interface ComposedForwards {
  readonly forwards: ForwardsFunction;
  /** What can change under open connections, by another configuration with the same listeners and the same TLS. */
  reconfigure(forwards: readonly ForwardConfig[]): void;
}

export function composeForwards(options: ForwardsComposition, targets: ForwardTargets): ComposedForwards {
  const { config, sockets, vips, balancing, random } = options;
  const pick = forwardPolicy(balancing);
  const bound = new Map(ofKey(sockets, 'forwards').map((socket) => [socket.index, socket]));
  const problems: string[] = [];
  const forwards = config.forwards.flatMap((forward, index) => {
    const compiled = forwardOf(forward, bound.get(index));
    if (typeof compiled !== 'string') return [compiled];
    problems.push(`forwards[${index}].tls: ${compiled}`);
    return [];
  });
  const created = createForwardsFunction({
    ...options,
    forwards,
    placesOf(target) {
      if (target.kind === 'app') return targets.places(target.text);
      const record = target.kind === 'vip' ? (vips?.lookup(target.name, target.port) ?? null) : null;
      if (record === null) return { rejected: 'there is no such VIP now' };
      return pickInTurn(pick(record.set, null), (random() * 0x100000000) >>> 0);
    },
  });
  return {
    forwards: { ...created, problems: () => [...problems, ...created.problems()] },
    reconfigure: (changed) =>
      created.reconfigure(changed.map((forward, index) => settingsOf(forward, bound.get(index)))),
  };
}

/** Text where a file of its TLS cannot be read. */
function forwardOf(forward: ForwardConfig, socket: ReadySocket | undefined): Forward | string {
  const { tls } = forward;
  try {
    return {
      ...settingsOf(forward, socket),
      listener: socket?.tcp ?? null,
      tls: tls === null ? null : { ...sourceTls(tls), serverName: tls.serverName },
    };
  } catch (error) {
    return error instanceof Error ? error.message : 'a file cannot be read';
  }
}

function settingsOf(forward: ForwardConfig, socket: ReadySocket | undefined): Omit<Forward, 'listener' | 'tls'> {
  const { proxyProtocol } = forward;
  return {
    listen: addressText({ host: forward.listen.host, port: socket?.boundPort ?? forward.listen.port }),
    to: forward.to.map(targetText),
    from: forward.from,
    proxyProtocol: proxyProtocol === 'off' ? null : proxyProtocol,
    proxyProtocolFrom: forward.proxyProtocolFrom,
    ...accessSettings(forward.limits, forward.timeouts),
  };
}
