// Forwards with targets before and clients behind them, for their tests.

import type { Test } from 'tap';
import { createForwardsFunction, type Forward, type ForwardsOptions } from '../../../proxies/forwards/index.ts';
import { bindTcp } from '../../../src/runtime/index.ts';
import { basics, serveEcho, talk, type Basics } from '../access/scene.ts';

export interface Scene {
  readonly port: number;
  readonly base: Basics;
  problems(): readonly string[];
  drain(deadlineMs: number): Promise<void>;
}

export const local = ['127.0.0.0/8'];

/** One forward on a free port of loopback. */
export async function open(
  t: Test,
  to: Forward['to'],
  options: Partial<ForwardsOptions> = {},
  forward: Partial<Forward> = {},
): Promise<Scene> {
  const base = basics({ 'erp.corp.example': ['127.0.0.1'], 'echo.own': ['127.0.0.1'] });
  const listener = bindTcp('127.0.0.1', 0);
  const forwards = createForwardsFunction({
    ...base,
    forwards: [{ listen: 'here', listener, to, from: local, ...forward }],
    placesOf: () => ({ rejected: 'there is none' }),
    ...options,
  });
  await forwards.start();
  t.teardown(() => forwards.stop());
  return {
    port: listener.port,
    base,
    problems: () => forwards.problems(),
    drain: (deadlineMs) => forwards.drain(deadlineMs),
  };
}

/** What comes back for `hello`. */
export async function echoed(port: number, text = 'hello'): Promise<string> {
  const client = await talk(port);
  client.end(text);
  return (await client.rest()).toString('latin1');
}

export async function echo(t: Test): Promise<number> {
  const target = await serveEcho();
  t.teardown(() => target.close());
  return target.port;
}
