// Readiness: when the daemon may say that it serves, and what of it does not. Prints the ready line once.

import type { Diagnostic, Snapshot } from '../cluster/index.ts';
import type { Clock, Logger } from '../runtime/index.ts';
import type { LinkState } from './links.ts';
import type { ListenerAddresses } from './message.ts';
import { formatAddress, type BindFailure, type BoundPlan } from './sockets.ts';

/** Labels named one by one in `degraded`; beyond that a count, and `/v1/diagnostics` has them all. */
const labelsNamed = 20;
const problemsNamed = 20;

/** Functions that do something useful without knowing the cluster. */
const selfSufficient: ReadonlySet<string> = new Set(['dns', 'socks', 'httpProxy', 'forwards']);

export interface ReadinessOptions {
  readonly workers: number;
  /** Of the configuration, told as `generation`. */
  readonly edition: number;
  /** The daemon has said that it is ready before; the line comes once a start, reload and upgrade. */
  readonly respawned: boolean;
  readonly readyTimeoutMs: number;
  readonly sockets: readonly BoundPlan[];
  readonly failures: readonly BindFailure[];
  /** What the composition could not do as configured. */
  readonly problems: () => readonly string[];
  /** Addresses that no worker and no socket of the supervisor serves. */
  readonly listeners: () => ListenerAddresses;
  readonly snapshot: () => Snapshot;
  /** Version of the first complete tables; null before them. */
  readonly firstVersion: () => number | null;
  readonly diagnostics: () => readonly Diagnostic[];
  readonly links: () => readonly LinkState[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly onReady: () => void;
  readonly onHopeless: () => void;
}

export interface Readiness {
  /** Something that may matter has changed. */
  look(): void;
  /** Another edition of the configuration is on its way to the workers: ready again when they have it. */
  expect(edition: number): void;
  edition(): number;
  /** Why `GET /ready` says no; empty: ready. */
  reasons(): readonly string[];
  /** `FUNCTION: what, why, remedy`, as in the ready line, as of now. */
  degraded(): readonly string[];
  listeners(): ListenerAddresses;
  /** `live` while a source answers, `saved` while what is served comes from disk, `none` before either. */
  source(): 'live' | 'saved' | 'none';
  turnUnready(): void;
  stop(): void;
}

export function createReadiness(options: ReadinessOptions): Readiness {
  let announced = false;
  let edition = options.edition;
  let isRespawned = options.respawned;
  let draining = false;
  const sources = () => [...options.snapshot().sources];
  const started = (): boolean => {
    const links = options.links();
    return links.length >= options.workers && links.every((link) => link.report !== null);
  };
  const hasEdition = (): boolean => options.links().every((link) => (link.report?.edition ?? -1) >= edition);
  const applied = (): boolean => {
    const version = options.firstVersion();
    return version !== null && options.links().every((link) => link.appliedVersion >= version);
  };
  const source = (): 'live' | 'saved' | 'none' => {
    if (!options.snapshot().synced) return 'none';
    return sources().some(([, state]) => state.state === 'live') ? 'live' : 'saved';
  };
  const degraded = (): readonly string[] => [
    ...new Set([
      ...options.failures.map((failure) => `${failure.key}: ${failure.reason}`),
      ...options.problems(),
      ...summarised(options.links().flatMap((link) => link.report?.problems ?? [])),
      ...sources().flatMap(([name, state]) =>
        state.state === 'lost' ? [`cluster ${name}: ${state.reason ?? 'no contact'}`] : [],
      ),
      ...describeLabels(options.diagnostics()),
    ]),
  ];
  const listeners = (): ListenerAddresses => ({
    ...addressesOf(options.sockets),
    ...dynamicListeners(options.links()),
    ...options.listeners(),
  });
  const lacks = (): readonly string[] => {
    const missing = options.workers - options.links().length;
    return [
      ...(options.firstVersion() === null ? ['no complete picture of the cluster yet'] : []),
      ...(missing > 0 ? [`${missing} of ${options.workers} workers are not there`] : []),
      ...(started() ? [] : ['functions are starting']),
    ];
  };
  const announce = (): void => {
    announced = true;
    timeout.cancel();
    const line = {
      degraded: [...lacks(), ...degraded()],
      source: source(),
      generation: edition,
      listeners: listeners(),
    };
    options.log.always(line, isRespawned ? 'control serves again' : 'ready');
    options.onReady();
  };
  const giveUp = (): void => {
    if (announced) return;
    const serving = options.links().some((link) => link.report?.serving.some((name) => selfSufficient.has(name)));
    if (serving) {
      announce();
      return;
    }
    options.log.error(
      { degraded: degraded(), waitedMs: options.readyTimeoutMs },
      'no cluster and nothing that serves without one; giving up',
    );
    options.onHopeless();
  };
  const timeout = options.clock.after(options.readyTimeoutMs, giveUp);
  return {
    look() {
      if (!announced && started() && hasEdition() && applied()) announce();
    },
    expect(next) {
      edition = next;
      isRespawned = false;
      announced = false;
      this.look();
    },
    reasons() {
      return draining ? ['draining'] : lacks();
    },
    edition: () => edition,
    degraded,
    listeners,
    source,
    turnUnready: () => void (draining = true),
    stop: () => timeout.cancel(),
  };
}

/** A function with very many problems (a VIP each, say) is named by the first of them and a count. */
function summarised(problems: readonly string[]): readonly string[] {
  const byFunction = Map.groupBy(new Set(problems), (problem) => problem.slice(0, problem.indexOf(':')));
  return [...byFunction].flatMap(([name, lines]) => {
    const more = lines.length - problemsNamed;
    return more > 0 ? [...lines.slice(0, problemsNamed), `${name}: ${more} more of the kind, see the log`] : lines;
  });
}

function describeLabels(diagnostics: readonly Diagnostic[]): readonly string[] {
  const serious = diagnostics.filter((one) => one.severity !== 'info');
  const named = serious.slice(0, labelsNamed).map((one) => {
    return `labels: ${one.app ?? one.task ?? 'cluster'} ${one.key}=${one.value}: ${one.reason}; ${one.hint}`;
  });
  const more = serious.length - named.length;
  return more > 0 ? [...named, `labels: ${more} more, see /v1/diagnostics`] : named;
}

function addressesOf(sockets: readonly BoundPlan[]): Record<string, readonly string[]> {
  const addresses: Record<string, string[]> = {};
  for (const socket of [...sockets].sort((a, b) => a.index - b.index)) {
    const list = (addresses[socket.key] ??= []);
    const address = formatAddress(socket.host, socket.boundPort);
    if (!list.includes(address)) list.push(address);
  }
  return addresses;
}

/** Listeners that workers bound by themselves: the same in each, so the first that tells is believed. */
function dynamicListeners(links: readonly LinkState[]): ListenerAddresses {
  return links.find((link) => link.report !== null)?.report?.listeners ?? {};
}
