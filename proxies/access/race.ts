// Happy eyeballs (RFC 8305 §5): addresses of both families in turn, a new attempt every 250 ms or as soon as one fails, earlier ones keep
// running, the first to connect wins and the others are closed.

import type { Socket } from 'node:net';
import { codeOf, type Clock, type Timer } from '../../src/runtime/index.ts';
import { reasonOfError, type FailureReason } from './failure.ts';

/** Starts a connection to exactly this address: `ip` is a literal, no name is ever looked up here. */
export type Connect = (ip: string, port: number) => Socket;

export interface RaceOptions {
  readonly connect: Connect;
  readonly clock: Clock;
  /** For each attempt. */
  readonly connectMs: number;
  /** Cancels all attempts; the overall deadline is the caller's. */
  readonly signal: AbortSignal;
}

export interface RaceWon {
  readonly socket: Socket;
  readonly ip: string;
}

export interface RaceLost {
  readonly failure: FailureReason;
}

const staggerMs = 250;
const mostAttempts = 6;

/** The addresses as they will be tried: families alternate, starting with that of the first, six at most. */
export function interleave(addresses: readonly string[]): readonly string[] {
  const isFirstFamily = (ip: string): boolean => ip.includes(':') === (addresses[0] ?? '').includes(':');
  const first = addresses.filter(isFirstFamily);
  const second = addresses.filter((ip) => !isFirstFamily(ip));
  const turns = Math.max(first.length, second.length);
  const mixed = Array.from({ length: turns }, (_, i) => [first[i], second[i]].filter((ip) => ip !== undefined)).flat();
  return mixed.slice(0, mostAttempts);
}

/** Settles once: with a connected socket that the caller owns, without listeners of ours; or with the most telling failure. */
export function race(addresses: readonly string[], port: number, options: RaceOptions): Promise<RaceWon | RaceLost> {
  const { clock, signal } = options;
  const waiting = [...interleave(addresses)];
  const underWay = new Map<Socket, Attempt>();
  const failures: FailureReason[] = [];
  let stagger: Timer | null = null;

  return new Promise((resolve) => {
    function settle(result: RaceWon | RaceLost): void {
      stagger?.cancel();
      waiting.length = 0;
      signal.removeEventListener('abort', onAbort);
      for (const attempt of [...underWay.values()]) attempt.end();
      resolve(result);
    }

    function onAbort(): void {
      settle({ failure: 'aborted' });
    }

    function next(): void {
      stagger?.cancel();
      const ip = waiting.shift();
      if (ip === undefined) return;
      const attempt = openAttempt(ip, port, options, (result) => {
        underWay.delete(attempt.socket);
        if ('socket' in result) settle(result);
        else fail(result.failure);
      });
      underWay.set(attempt.socket, attempt);
      if (waiting.length > 0) stagger = clock.after(staggerMs, next);
    }

    function fail(failure: FailureReason): void {
      failures.push(failure);
      if (waiting.length > 0) next();
      else if (underWay.size === 0) settle({ failure: mostTelling(failures) });
    }

    if (signal.aborted) onAbort();
    else {
      signal.addEventListener('abort', onAbort, { once: true });
      next();
    }
  });
}

export interface Attempt {
  readonly socket: Socket;
  /** Closes the socket without an outcome. */
  end(): void;
}

/** As `race` with one address: `done` hears how it went, once and never in the call, unless `end` comes first. */
export function openAttempt(
  ip: string,
  port: number,
  options: Omit<RaceOptions, 'signal'>,
  done: (result: RaceWon | RaceLost) => void,
): Attempt {
  const socket = options.connect(ip, port);
  const deadline = options.clock.after(options.connectMs, () => {
    end();
    done({ failure: 'connect-timeout' });
  });
  const release = (): void => {
    deadline.cancel();
    socket.off('connect', onConnect);
    socket.off('error', onError);
  };
  const onConnect = (): void => {
    release();
    done({ socket, ip });
  };
  const onError = (error: Error): void => {
    end();
    done({ failure: reasonOfError(codeOf(error)) });
  };
  function end(): void {
    release();
    // What a dying attempt still says interests nobody, and must not be an uncaught exception.
    socket.on('error', () => undefined);
    socket.destroy();
  }
  socket.once('connect', onConnect);
  socket.once('error', onError);
  return { socket, end };
}

const telling: readonly FailureReason[] = [
  'limit',
  'refused',
  'network-unreachable',
  'host-unreachable',
  'connect-timeout',
];

/** An answer tells more than silence. */
const mostTelling = (failures: readonly FailureReason[]): FailureReason =>
  telling.find((reason) => failures.includes(reason)) ?? 'connect-failure';
