// The SOCKS proxy: legacy systems reach the cluster, and what else the rules allow, by SOCKS5 (RFC 1928) and SOCKS4/4a.

import { IsthmusError } from '../../src/runtime/index.ts';
import type { TrafficFunction } from '../../src/ports/index.ts';
import { createAcceptor, createRuledCore } from '../access/index.ts';
import { createFront } from './front.ts';
import type { SocksChange, SocksOptions } from './options.ts';
import { createSocksMetrics } from './socks-metrics.ts';

export interface SocksFunction extends TrafficFunction {
  /** What of its configuration could not be honoured, one line each; empty: all of it. */
  problems(): readonly string[];
  /** Takes what is said anew for what comes; sessions that are open stay as they are. */
  reconfigure(change: SocksChange): void;
}

/** TrafficFunction `socks`. Listeners that would carry passwords in clear are not opened; `start` rejects where none is left. */
export function createSocksFunction(options: SocksOptions): SocksFunction {
  const core = createRuledCore('socks', {
    ...options,
    clearAuth: options.clearAuth === true || options.tlsOnly === true,
  });
  const { clock, log } = options;
  const front = createFront(core, options, createSocksMetrics(options.metrics));
  const acceptor = createAcceptor({
    listeners: core.listeners,
    clock,
    log,
    onConnection: (socket, listener) => front.accept(socket, listener),
  });
  return {
    name: 'socks',
    problems: () => [...core.problems(), ...front.problems(), ...acceptor.problems()],
    reconfigure(change) {
      core.reconfigure(change);
      core.replaceRules(change.rules);
      core.replaceUsers(change.users);
      front.reconfigure(change);
    },
    async start() {
      if (core.listeners.length === 0) {
        const reason = core.problems()[0] ?? 'there is no listener';
        throw new IsthmusError('SOCKS_NOT_STARTED', reason, { side: 'internal', retryable: false });
      }
      await core.users?.start();
      await acceptor.start();
    },
    drain: (deadlineMs) => acceptor.drain(deadlineMs),
    async stop() {
      core.users?.stop();
      await acceptor.stop();
    },
  };
}
