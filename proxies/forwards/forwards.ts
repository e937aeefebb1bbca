// Static TCP forwards: a fixed address in front of targets elsewhere, open to listed networks alone.

import { connect, type Socket } from 'node:net';
import type { TrafficFunction } from '../../src/ports/index.ts';
import { compileCidrs, type CidrMatcher, type Metrics, type TcpListener } from '../../src/runtime/index.ts';
import {
  awaitIntroduction,
  canonicalIp,
  clientAddress,
  createAccessCore,
  createAcceptor,
  createSessions,
  dialectsOf,
  sayFarewell,
  type AccessCore,
  type AccessLimits,
  type AccessTimeouts,
  type Admission,
  type ProxyOptions,
  type Session,
} from '../access/index.ts';
import { reachTarget, type Caller, type Reached, type Reaching, type ReachOptions } from './reach-target.ts';
import { createTargetOrder } from './target-order.ts';
import type { Places } from './target-plane.ts';
import { parseForwardTarget, type ForwardTarget } from './target.ts';
import type { UpstreamTls } from './upstream-tls.ts';

export interface Forward {
  /** `host:port` as configured, for metrics and logs. */
  readonly listen: string;
  /** Null where it could not be bound: the forward is down, and the metrics say so. */
  readonly listener: TcpListener | null;
  /** Tried in order until one connects. */
  readonly to: string | readonly string[];
  /** Networks of clients; without one the forward is not opened. */
  readonly from: readonly string[];
  /** PROXY header towards the targets; absent: none. */
  readonly proxyProtocol?: 'v1' | 'v2' | null;
  /** Networks of peers that must send a PROXY header, whose word on the client is taken. */
  readonly proxyProtocolFrom?: readonly string[];
  /** TLS towards the targets; absent: none. */
  readonly tls?: UpstreamTls | null;
  /** Its own, not shared with other forwards; defaults where absent. */
  readonly limits?: Partial<AccessLimits>;
  readonly timeouts?: Partial<AccessTimeouts>;
}

export interface ForwardsOptions extends Omit<ProxyOptions, 'listeners' | 'limits' | 'timeouts'> {
  readonly forwards: readonly Forward[];
  /** Addresses of a VIP or an app's port as of now, in the order in which they are to be tried. */
  readonly placesOf: (target: ForwardTarget) => Places;
}

export interface ForwardsFunction extends TrafficFunction {
  /** Takes what is said anew of the forwards whose `listen` it names, for connections from now on. What is open stays. `tls` absent: as it was. */
  reconfigure(forwards: readonly Omit<Forward, 'listener'>[]): void;
  /** What of its configuration could not be honoured, one line each; empty: all of it. */
  problems(): readonly string[];
}

interface CompiledForward {
  readonly listen: string;
  readonly listener: TcpListener;
  readonly from: CidrMatcher;
  readonly introducers: CidrMatcher;
  readonly reach: ReachOptions;
}

/** TrafficFunction `forwards`. A forward that cannot be read or bound costs the others nothing. */
export function createForwardsFunction(options: ForwardsOptions): ForwardsFunction {
  const problems: string[] = [];
  const { log, metrics, clock } = options;
  const sessions = createSessions({ subsystem: 'forwards', log, metrics, clock });
  const up = metrics.gauge('forwards_up', 'Whether the forward of this listener is open.', ['listen']);
  const noteTarget = targetNotes(options);
  const forwards = options.forwards.flatMap((forward, i) => {
    up.cell(forward.listen).value = 0;
    const { limits = {}, timeouts = {} } = forward;
    const connect = options.connect ?? ((forward.tls ?? null) === null ? undefined : connectPlain);
    const core = createAccessCore(
      'forwards',
      { ...options, ...(connect === undefined ? {} : { connect }), listeners: [], limits, timeouts },
      sessions,
    );
    return compile(options, forward, core, `forwards[${i}]`, problems, noteTarget) ?? [];
  });
  const byListener = new Map(forwards.map((forward) => [forward.listener, forward]));
  const replace = (former: CompiledForward, forward: Omit<Forward, 'listener'>, i: number): void => {
    const { listener, reach } = former;
    const next = compile(options, { ...forward, listener }, reach.core, `forwards[${i}]`, problems, noteTarget);
    if (next !== null) byListener.set(listener, next);
  };
  const acceptor = createAcceptor({
    listeners: [...byListener.keys()],
    speaksFirst: false,
    clock,
    log,
    onConnection(socket, listener) {
      const forward = byListener.get(listener);
      if (forward !== undefined) accept(options, socket, forward);
    },
  });
  return {
    name: 'forwards',
    reconfigure(changed) {
      problems.length = 0;
      changed.forEach((forward, i) => {
        const former = [...byListener.values()].find(({ listen }) => listen === forward.listen);
        if (former === undefined) return;
        const { limits = {}, timeouts = {} } = forward;
        former.reach.core.reconfigure({ limits, timeouts });
        replace(former, { tls: former.reach.tls, ...forward }, i);
      });
    },
    problems: () => [...problems, ...acceptor.problems()],
    async start() {
      await acceptor.start();
      for (const { listen, listener } of forwards) {
        const failed = acceptor.problems().some((problem) => problem.includes(`${listener.address}:${listener.port}:`));
        up.cell(listen).value = failed ? 0 : 1;
      }
    },
    drain: (deadlineMs) => acceptor.drain(deadlineMs),
    stop: () => acceptor.stop(),
  };
}

/** TLS reads its socket itself. */
const connectPlain = (host: string, port: number): Socket =>
  connect({ host, port, allowHalfOpen: true, noDelay: true });

/** Tells of a target that cannot be reached any more, and of its return. */
function targetNotes({ metrics, log }: { metrics: Metrics; log: ForwardsOptions['log'] }) {
  const well = metrics.gauge('forwards_target_up', 'Whether the last try of this target came through.', [
    'listen',
    'target',
  ]);
  return (listen: string, { text }: ForwardTarget, isWell: boolean): void => {
    well.cell(listen, text).value = isWell ? 1 : 0;
    if (isWell) log.info({ listen, target: text }, 'forward reaches its target again');
    else log.warn({ listen, target: text }, 'forward cannot reach its target; others of it come first for a while');
  };
}

function compile(
  options: ForwardsOptions,
  forward: Forward,
  core: AccessCore,
  at: string,
  problems: string[],
  noteTarget: (listen: string, target: ForwardTarget, isWell: boolean) => void,
): CompiledForward | null {
  const { listen, listener, to, from, proxyProtocol = null, tls = null, proxyProtocolFrom = [] } = forward;
  const compiled = compileCidrs(from);
  problems.push(...compiled.problems.map((problem) => `${at}.from: ${problem}`));
  if (compiled.matcher.size === 0) {
    problems.push(`${at}.from: names no network, so nobody may use the forward; write 0.0.0.0/0 and ::/0 for anybody`);
    return null;
  }
  const targets = [to].flat().flatMap((text) => {
    const target = parseForwardTarget(text);
    if (!('rejected' in target)) return [target];
    problems.push(`${at}.to: ${target.rejected}`);
    return [];
  });
  if (targets.length === 0 || listener === null) return null;
  const { clock, placesOf } = options;
  const order = createTargetOrder(targets, clock, (target, isWell) => noteTarget(listen, target, isWell));
  const reach = { core, order, proxyProtocol, tls, clock, placesOf };
  return { listen, listener, from: compiled.matcher, introducers: compileCidrs(proxyProtocolFrom).matcher, reach };
}

function accept(options: ForwardsOptions, socket: Socket, forward: CompiledForward): void {
  const { core } = forward.reach;
  const peer = clientAddress(socket);
  socket.pause();
  const serve = (client: string, clientPort: number): void => {
    if (!forward.from.has(client)) {
      core.sessions.refuse('denied', { client, listener: forward.listen });
      socket.destroy();
    } else begin(options, socket, forward, client, clientPort);
  };
  if (!forward.introducers.has(peer)) {
    serve(peer, socket.remotePort ?? 0);
    return;
  }
  void awaitIntroduction(socket, core.timeouts.headerMs, options.clock).then((introduction) => {
    if (introduction !== null)
      serve(introduction.client?.ip ?? peer, introduction.client?.port ?? socket.remotePort ?? 0);
    else {
      core.sessions.refuse('malformed', { client: peer, listener: forward.listen });
      socket.destroy();
    }
  });
}

function begin(
  options: ForwardsOptions,
  socket: Socket,
  forward: CompiledForward,
  clientIp: string,
  clientPort: number,
): void {
  if (socket.destroyed) return;
  const { core } = forward.reach;
  const listener = forward.listen;
  const refusal = core.gate.enter(clientIp);
  if (refusal !== null) {
    core.sessions.refuse(refusal, { client: clientIp, listener });
    socket.resetAndDestroy();
    return;
  }
  socket.once('close', () => core.gate.leave(clientIp));
  const session = core.sessions.open({ listener, client: clientIp, proto: 'tcp' });
  try {
    join(options, socket, session, forward, () => callerOf(socket, clientIp, clientPort));
  } catch (error) {
    fault(socket, session, core, error);
  }
}

function callerOf(socket: Socket, clientIp: string, clientPort: number): Caller {
  const ownIp = canonicalIp(socket.localAddress ?? '') ?? '';
  return { clientIp, clientPort, ownIp, ownPort: socket.localPort ?? 0 };
}

function fault(socket: Socket, session: Session, core: AccessCore, error: unknown): void {
  core.sessions.fault(error);
  session.end({ verdict: 'deny', reason: 'connect-failure' });
  socket.destroy();
}

function join(
  options: ForwardsOptions,
  socket: Socket,
  session: Session,
  { reach }: CompiledForward,
  callerOfIt: () => Caller,
): void {
  let reaching: Reaching | null = null;
  const onClose = (): void => reaching?.cancel();
  socket.once('close', onClose);
  reaching = reachTarget(reach, callerOfIt, session, (reached) => {
    socket.off('close', onClose);
    try {
      finish(options, socket, session, reach.core, reached);
    } catch (error) {
      fault(socket, session, reach.core, error);
    }
  });
}

/** Null where bandwidth has no limit, as most forwards have it. */
function shareOf({ limits, admissions }: AccessCore): Admission | null {
  if (limits.connectionBytesPerSecond === Infinity && limits.listenerBytesPerSecond === Infinity) return null;
  const admission = admissions.admit({ listener: '', user: null, apps: [] });
  return admission === 'limit' ? null : admission;
}

function finish(options: ForwardsOptions, socket: Socket, session: Session, core: AccessCore, reached: Reached): void {
  if (!('failure' in reached)) {
    core.tunnel(socket, reached, { session, admission: shareOf(core) });
    return;
  }
  session.end({ verdict: 'deny', reason: reached.failure });
  if (dialectsOf(reached.failure).close === 'reset') socket.resetAndDestroy();
  else sayFarewell(socket, '', options.clock);
}
