// Keeps control connected to its workers: a worker that is not there yet, or died and was replaced, is tried until it answers.

import { connect } from 'node:net';
import type { Clock } from '../runtime/index.ts';
import { socketChannel, type Channel } from './channel.ts';
import type { ControlMessage, WorkerMessage } from './message.ts';

const retryMs = 50;

export function connectWorkers(
  paths: readonly string[],
  add: (channel: Channel<ControlMessage, WorkerMessage>) => void,
  clock: Clock,
): { stop(): void } {
  let stopped = false;
  const keep = (path: string): void => {
    if (stopped) return;
    const socket = connect(path);
    socket.once('connect', () => add(socketChannel(socket)));
    socket.on('error', () => undefined);
    socket.once('close', () => clock.after(retryMs, () => keep(path)));
  };
  for (const path of paths) keep(path);
  return { stop: () => void (stopped = true) };
}
