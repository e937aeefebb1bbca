// Which differences between two configurations running processes take in place, and which ask for another generation of processes.

import { isDeepStrictEqual } from 'node:util';
import type { ParentLists } from '../../proxies/access/index.ts';
import { Secret, type Config, type ForwardConfig, type HttpProxyConfig, type SocksConfig } from './config/index.ts';
import { appTargets } from './forwards-function.ts';
import { parentLists } from './options-of.ts';

/** The sections that change in place, as plain JSON: a worker that has dropped its privileges can read no file of secrets any more. */
export interface LiveChange {
  readonly socks: SocksConfig | null;
  readonly httpProxy: HttpProxyConfig | null;
  readonly forwards: readonly ForwardConfig[];
  readonly parents: ParentLists;
}

const liveSections: readonly (keyof Config)[] = ['socks', 'httpProxy', 'forwards', 'parents'];

/**
 * What `next` asks of running workers; null where it takes a new generation: something else differs, listeners come or go, or nothing
 * differs at all, which asks that files be read again.
 */
export function liveChange(former: Config, next: Config): LiveChange | null {
  if (isDeepStrictEqual(plain(former), plain(next)) || !isDeepStrictEqual(fixedPart(former), fixedPart(next)))
    return null;
  const { socks, httpProxy, forwards, parents } = next;
  return { socks, httpProxy, forwards, parents: parentLists(parents) };
}

/** Everything that running processes hold on to. */
function fixedPart(config: Config): unknown {
  const others = Object.fromEntries(
    Object.entries(config).filter(([key]) => !liveSections.includes(key as keyof Config)),
  );
  const { socks, httpProxy, forwards } = config;
  return plain({
    others,
    socks:
      socks === null
        ? null
        : [socks.listen, socks.tls, socks.mixed, socks.clearAuth, socks.users === null, socks.sessionLog],
    httpProxy:
      httpProxy === null
        ? null
        : [httpProxy.listen, httpProxy.tls, httpProxy.clearAuth, httpProxy.users === null, httpProxy.sessionLog],
    forwards: forwards.map(({ listen, tls }) => [listen, tls]),
    // Control derives who serves them.
    apps: [...new Set(appTargets(config).map(({ id, portName }) => `${id}:${portName}`))].sort(),
  });
}

/** Plain data, secrets revealed: to be compared and thrown away. */
const plain = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, function (this: Record<string, unknown>, key: string, shown: unknown): unknown {
      const held = this[key];
      return held instanceof Secret ? { secret: held.reveal() } : shown;
    }),
  );
