// Static TCP forwards: a fixed address in front of targets elsewhere, open to listed networks alone.

import type { Socket } from 'node:net';
import type { TrafficFunction } from '../../src/ports/index.ts';
import { compileCidrs, openTunnel, type CidrMatcher, type TcpListener } from '../../src/runtime/index.ts';
import {
  clientAddress,
  createAccessCore,
  createAcceptor,
  createSessions,
  dialectsOf,
  listenerText,
  parseDestination,
  sayFarewell,
  type AccessCore,
  type AccessLimits,
  type AccessTimeouts,
  type Dialed,
  type Destination,
  type FailureReason,
  type ProxyOptions,
  type Session,
  type Verdict,
} from '../access/index.ts';
import { parseForwardTarget, type ForwardTarget } from './target.ts';

export interface Forward {
  readonly listener: TcpListener;
  /** Tried in order until one connects. */
  readonly to: string | readonly string[];
  /** Networks of clients; without one the forward is not opened. */
  readonly from: readonly string[];
  /** Its own, not shared with other forwards; defaults where absent. */
  readonly limits?: Partial<AccessLimits>;
  readonly timeouts?: Partial<AccessTimeouts>;
}

export interface TargetAddress {
  readonly ip: string;
  readonly port: number;
}

export interface ForwardsOptions extends Omit<ProxyOptions, 'listeners' | 'limits' | 'timeouts'> {
  readonly forwards: readonly Forward[];
  /** Address of a named VIP as of now; null: there is none. */
  readonly lookupVip: (name: string, port: number) => TargetAddress | null;
  /** Address of a backend of an app's port as of now; null: there is none, a rejection says why. */
  readonly lookupApp: (id: string, portName: string) => TargetAddress | { readonly rejected: string } | null;
}

export interface ForwardsFunction extends TrafficFunction {
  /** What of its configuration could not be honoured, one line each; empty: all of it. */
  problems(): readonly string[];
}

interface CompiledForward {
  readonly listener: TcpListener;
  readonly from: CidrMatcher;
  readonly targets: readonly ForwardTarget[];
  readonly core: AccessCore;
}

/** TrafficFunction `forwards`. A forward that cannot be read or bound costs the others nothing. */
export function createForwardsFunction(options: ForwardsOptions): ForwardsFunction {
  const problems: string[] = [];
  const { log, metrics, clock } = options;
  const sessions = createSessions({ subsystem: 'forwards', log, metrics, clock });
  const forwards = options.forwards.map((forward, i) => {
    const { limits = {}, timeouts = {} } = forward;
    const core = createAccessCore('forwards', { ...options, listeners: [], limits, timeouts }, sessions);
    return compile(forward, core, `forwards[${i}]`, problems);
  });
  const byListener = new Map(
    forwards.filter((forward) => forward !== null).map((forward) => [forward.listener, forward]),
  );
  const acceptor = createAcceptor({
    listeners: [...byListener.keys()],
    clock,
    log,
    onConnection(socket, listener) {
      const forward = byListener.get(listener);
      if (forward !== undefined) accept(options, socket, forward);
    },
  });
  return {
    name: 'forwards',
    problems: () => [...problems, ...acceptor.problems()],
    start: () => acceptor.start(),
    drain: (deadlineMs) => acceptor.drain(deadlineMs),
    stop: () => acceptor.stop(),
  };
}

function compile(
  { listener, to, from }: Forward,
  core: AccessCore,
  at: string,
  problems: string[],
): CompiledForward | null {
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
  return targets.length === 0 ? null : { listener, from: compiled.matcher, targets, core };
}

function accept(options: ForwardsOptions, socket: Socket, forward: CompiledForward): void {
  const { core } = forward;
  const client = clientAddress(socket);
  const listener = listenerText(forward.listener);
  if (!forward.from.has(client)) {
    core.sessions.refuse('denied', { client, listener });
    socket.destroy();
    return;
  }
  const refusal = core.gate.enter(client);
  if (refusal !== null) {
    core.sessions.refuse(refusal, { client, listener });
    socket.resetAndDestroy();
    return;
  }
  socket.once('close', () => core.gate.leave(client));
  const session = core.sessions.open({ listener, client, proto: 'tcp' });
  socket.pause();
  join(options, socket, session, forward).catch((error: unknown) => {
    core.sessions.fault(error);
    session.end({ verdict: 'deny', reason: 'connect-failure' });
    socket.destroy();
  });
}

async function join(
  options: ForwardsOptions,
  socket: Socket,
  session: Session,
  { targets, core }: CompiledForward,
): Promise<void> {
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  socket.once('close', onClose);
  const dialed = await dialFirst(core, options, targets, session, gone.signal);
  socket.off('close', onClose);
  if ('failure' in dialed) {
    session.end({ verdict: 'deny', reason: dialed.failure });
    if (dialectsOf(dialed.failure).close === 'reset') socket.resetAndDestroy();
    else sayFarewell(socket, '', options.clock);
    return;
  }
  session.note({ ip: dialed.ip, dnsMs: Math.round(dialed.dnsMs), connectMs: Math.round(dialed.connectMs) });
  openTunnel(socket, dialed.socket, {
    idleMs: core.timeouts.tunnelMs,
    halfCloseMs: core.timeouts.halfCloseMs,
    clock: options.clock,
    onEnd: ({ bytesUp, bytesDown, reason }) => session.end({ verdict: 'allow', reason, bytesUp, bytesDown }),
  });
}

/** Nothing of the client has been read yet, so each target is as good as the first. */
async function dialFirst(
  core: AccessCore,
  options: ForwardsOptions,
  targets: readonly ForwardTarget[],
  session: Session,
  signal: AbortSignal,
): Promise<Dialed | { readonly failure: FailureReason }> {
  let failure: FailureReason = 'nonexistent';
  for (const target of targets) {
    session.note({ target: target.text });
    const place = placeOf(target, options);
    if ('rejected' in place) {
      session.note({ detail: place.rejected });
      failure = 'nonexistent';
      continue;
    }
    const judge = (ip: string): Verdict => verdict(!core.isLoop(ip, place.port));
    const dialed = await core.dialer.dial({ ...place, judge, signal });
    if (!('failure' in dialed)) return dialed;
    failure = dialed.failure;
    if (failure === 'aborted') break;
  }
  return { failure };
}

interface Place {
  readonly destination: Destination;
  readonly port: number;
}

function placeOf(target: ForwardTarget, options: ForwardsOptions): Place | { readonly rejected: string } {
  if (target.kind === 'address') return target;
  const found =
    target.kind === 'vip' ? options.lookupVip(target.name, target.port) : options.lookupApp(target.id, target.portName);
  if (found === null) return { rejected: `${target.text} has no address now` };
  if ('rejected' in found) return found;
  const destination = parseDestination(found.ip);
  return 'rejected' in destination ? destination : { destination, port: found.port };
}

/** The operator wrote the target; the only thing that a forward may not reach is this daemon. */
const verdict = (isAllowed: boolean): Verdict => ({
  verdict: isAllowed ? 'allow' : 'deny',
  rule: null,
  reason: isAllowed ? null : 'loop',
  via: null,
  logsOpen: false,
});
