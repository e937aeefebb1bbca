// A tunnel: two connected sockets joined byte for byte. FIN travels one way at a time, RST as RST, and a slow reader slows its writer.
//
// States of each direction: open → ended (FIN read and passed on). The tunnel ends when both sockets have closed: after both directions
// ended, or because one side reset, time ran out, or the owner destroyed it.

import { Socket } from 'node:net';
import type { Clock, Timer } from './clock.ts';
import { createKeepAlives, type KeepAlives } from './keep-alives.ts';
import { createRounds, type Rounds } from './rounds.ts';
import { intakeOf } from './tunnel-intake.ts';

export type TunnelReason =
  'finished' | 'downstream-reset' | 'upstream-reset' | 'idle' | 'half-close-timeout' | 'lifetime' | 'destroyed';

export interface TunnelResult {
  /** Bytes read from downstream and written upstream. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly reason: TunnelReason;
  /** Who sent FIN while the other side went on; null: nobody, or both at once. */
  readonly halfClosed: 'downstream' | 'upstream' | null;
  /** From the opening to the first byte from upstream; null: there was none. */
  readonly firstByteMs: number | null;
}

/** Bandwidth: says when to stop reading. */
export interface Shaper {
  /** Counts bytes that were read. False: `resume` is called, once, when the next may be. */
  take(bytes: number, resume: () => void): boolean;
}

export interface TunnelOptions {
  /** Ends the tunnel after this long without a byte either way, at most a quarter later; 0: never. Keepalive finds dead peers. */
  readonly idleMs: number;
  /** The same from the first FIN on, where it is shorter; 0: no other than `idleMs`. */
  readonly halfCloseMs: number;
  /** Ends the tunnel after this long, whatever goes on in it; 0 or absent: never. */
  readonly lifetimeMs?: number;
  /** Null or absent: as fast as it goes. */
  readonly shaper?: Shaper | null;
  readonly clock: Clock;
  /** Called once, after both sockets have closed. */
  readonly onEnd: (result: TunnelResult) => void;
}

export interface Tunnel {
  /** Resets both sides. Harmless when the tunnel has ended. */
  destroy(): void;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

/** What tunnels share, by the clock of their owner. */
interface Shared {
  readonly probes: KeepAlives;
  readonly rounds: Rounds;
}

const sharedBy = new WeakMap<Clock, Shared>();

/** Looks at a limit happen this many times within it: no timer is touched per chunk, and a limit is kept to within a quarter. */
const looksPerLimit = 4;

/**
 * Joins two connected sockets, both made with `allowHalfOpen: true`. They may be paused and may hold unread data (`unshift`); their
 * `data` and `readable` events belong to the tunnel from now on. TLS sockets are closed where a plain one would be reset. Upstream
 * sockets from `connectForTunnel` are read in large pooled buffers.
 */
export function openTunnel(downstream: Socket, upstream: Socket, options: TunnelOptions): Tunnel {
  let reason: TunnelReason | null = null;
  let closed = 0;
  let watch: Timer | null = null;
  let halfClosed: TunnelResult['halfClosed'] = null;
  const openedAt = options.clock.monotonic();
  let firstByteMs: number | null = null;

  const { shaper = null, lifetimeMs = 0 } = options;
  const onFirst = (): void => void (firstByteMs = options.clock.monotonic() - openedAt);
  const { probes, rounds } = sharedOf(options.clock);
  const up = direction(downstream, upstream, onFin, shaper, null);
  const down = direction(upstream, downstream, onFin, shaper, onFirst);
  const end = lifetimeMs > 0 ? options.clock.after(lifetimeMs, () => cut('lifetime')) : null;

  /** Whether it was the first of the two. */
  function onFin(): boolean {
    const isFirst = up.ended !== down.ended;
    if (isFirst) halfClosed = up.ended ? 'downstream' : 'upstream';
    if (isFirst && halfCloseIsShorter(options)) look('half-close-timeout', options.halfCloseMs, progress(up, down));
    return isFirst;
  }

  function onClose(socket: Socket, isEnded: boolean, isSent: boolean, lost: TunnelReason): void {
    const isWhole = isEnded && (isSent || socket.writableFinished) && socket.errored === null;
    if (!isWhole) cut(lost);
    probes.leave(socket);
    closed++;
    if (closed < 2) return;
    watch?.cancel();
    end?.cancel();
    const bytes = { bytesUp: up.bytes, bytesDown: down.bytes };
    options.onEnd({ ...bytes, reason: reason ?? 'finished', halfClosed, firstByteMs });
  }

  function cut(why: TunnelReason): void {
    reason ??= why;
    resetSocket(downstream);
    resetSocket(upstream);
  }

  /** `seen`: what has moved so far. */
  function look(why: TunnelReason, limitMs: number, seen: number): void {
    watch?.cancel();
    let movedAt = options.clock.monotonic();
    watch = rounds.join(limitMs / looksPerLimit, () => {
      const now = progress(up, down);
      if (now !== seen) {
        seen = now;
        movedAt = options.clock.monotonic();
      } else if (options.clock.monotonic() - movedAt >= limitMs) cut(why);
    });
  }

  if (options.idleMs > 0) look('idle', options.idleMs, 0);
  join(
    downstream,
    () => onClose(downstream, up.ended, down.sent, 'downstream-reset'),
    () => cut('downstream-reset'),
    probes,
  );
  join(
    upstream,
    () => onClose(upstream, down.ended, up.sent, 'upstream-reset'),
    () => cut('upstream-reset'),
    probes,
  );
  up.open();
  down.open();
  return {
    destroy: () => cut('destroyed'),
    get bytesUp() {
      return up.bytes;
    },
    get bytesDown() {
      return down.bytes;
    },
  };
}

interface Direction {
  bytes: number;
  ended: boolean;
  /** All of it is with the kernel, and the sink was closed as a whole. */
  sent: boolean;
  readonly sink: Socket;
  open(): void;
}

function direction(
  source: Socket,
  sink: Socket,
  onFin: () => boolean,
  shaper: Shaper | null,
  onFirst: (() => void) | null,
): Direction {
  const intake = intakeOf(source);
  const state: Direction = { bytes: 0, ended: false, sent: false, sink, open };
  let isPrompt = false;

  /** Waiting for bandwidth: a sink that has room does not change that. */
  let isHeld = false;

  function open(): void {
    sink.on('drain', () => {
      if (!isHeld) source.resume();
    });
    if (source.readableEnded) {
      end();
      return;
    }
    source.on('end', end);
    if (intake === undefined) source.on('data', pass);
    else intake.connect(sink, count);
    source.resume();
  }

  function pass(chunk: Buffer): void {
    const mayGoOn = count(chunk.length);
    sink.write(chunk);
    // What write() returns was decided before the attempt; most writes are done when it returns.
    if (!mayGoOn || sink.writableLength >= sink.writableHighWaterMark) source.pause();
  }

  function count(bytes: number): boolean {
    if (onFirst !== null && state.bytes === 0) onFirst();
    // A first write never waits for an acknowledgement; sparing short exchanges the call.
    if (!isPrompt && sink.bytesWritten > 0) {
      isPrompt = true;
      sink.setNoDelay(true);
    }
    state.bytes += bytes;
    if (shaper === null) return true;
    isHeld = !shaper.take(bytes, release);
    return !isHeld;
  }

  function release(): void {
    isHeld = false;
    if (sink.writableLength < sink.writableHighWaterMark) source.resume();
  }

  function end(): void {
    state.ended = true;
    // Both have ended, nothing waits: closing says FIN as well as shutting down first would. TLS has a word of its own to say.
    if (!onFin() && sink.writableLength === 0 && sink.constructor === Socket && !sink.writableEnded) {
      state.sent = true;
      sink.destroy();
      return;
    }
    sink.end();
  }

  return state;
}

function join(socket: Socket, onClose: () => void, onError: () => void, probes: KeepAlives): void {
  probes.enter(socket);
  socket.on('error', onError);
  // A socket that is gone already has told so to nobody here.
  if (socket.closed) setImmediate(onClose);
  else socket.once('close', onClose);
}

function sharedOf(clock: Clock): Shared {
  let shared = sharedBy.get(clock);
  if (shared === undefined)
    sharedBy.set(clock, (shared = { probes: createKeepAlives(clock), rounds: createRounds(clock) }));
  return shared;
}

/** Has `socket` watched as those of tunnels are: by keepalive, once it is more than a few seconds old. */
export function watchYoung(socket: Socket, clock: Clock): void {
  const { probes } = sharedOf(clock);
  probes.enter(socket);
  socket.once('close', () => probes.leave(socket));
}

/** Closes with RST where the socket can; a shutdown that is under way in libuv forbids it (uv_tcp_close_reset: EINVAL). */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  const isShuttingDown = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  try {
    if (!isShuttingDown) socket.resetAndDestroy();
  } catch {
    // ERR_INVALID_HANDLE_TYPE: TLS and unix sockets know no reset.
  }
  socket.destroy();
}

/** A number that differs when bytes moved: read ones, and those that a slow reader takes from our queues. */
function progress(up: Direction, down: Direction): number {
  return up.bytes + down.bytes - up.sink.writableLength - down.sink.writableLength;
}

function halfCloseIsShorter(options: TunnelOptions): boolean {
  return options.halfCloseMs > 0 && (options.idleMs === 0 || options.halfCloseMs < options.idleMs);
}
