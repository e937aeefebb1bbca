// Our own pages: /proxy.pac and /wpad.dat for browsers, /proxy.env and /proxy.json for containers, /healthz for balancers. Asked for in
// origin-form under an address or a name of ours; under any other name they are no business of ours.

import { splitHostPort } from '../../src/cluster/index.ts';
import { canonicalIp, hostPort, type RuleConfig } from '../access/index.ts';
import type { LocalAnswer, Peer, RequestView } from '../http1/index.ts';
import { clientRouting, type ClientRouting, type DirectPlaces } from './client-routing.ts';
import { formatPac } from './pac.ts';
import { environmentOf, formatEnvironment } from './proxy-environment.ts';

export interface ClientOptions extends DirectPlaces {
  /** `host:port` of the proxies as clients reach them; empty: the address that a client asks at. */
  readonly proxies: readonly string[];
}

export interface ClientPages {
  /** Null where the request asks for none of them. */
  answer(request: RequestView, peer: Peer): LocalAnswer | null;
}

type Format = (routing: ClientRouting, proxies: readonly string[]) => string;
type Page = Readonly<{ contentType: string; format: Format }>;

const pac: Page = { contentType: 'application/x-ns-proxy-autoconfig', format: formatPac };
const first = (proxies: readonly string[]): string => proxies[0] ?? '';

const pages: ReadonlyMap<string, Page> = new Map([
  ['/proxy.pac', pac],
  ['/wpad.dat', pac],
  [
    '/proxy.env',
    {
      contentType: 'text/plain; charset=utf-8',
      format: (routing, proxies) => formatEnvironment(environmentOf(routing, first(proxies))),
    },
  ],
  [
    '/proxy.json',
    {
      contentType: 'application/json',
      format: (routing, proxies) => `${JSON.stringify({ env: environmentOf(routing, first(proxies)) }, null, 2)}\n`,
    },
  ],
]);

const health: LocalAnswer = { status: 200, fields: [], contentType: 'text/plain; charset=utf-8', body: 'ok\n' };

/** `options` null: of the pages there is only /healthz. */
export function createClientPages(options: ClientOptions | null, rules: readonly RuleConfig[]): ClientPages {
  const routing = options === null ? null : clientRouting(options, rules);
  return {
    answer(request, peer) {
      const { form, method, matchPath, host } = request;
      if (form !== 'origin' || (method !== 'GET' && method !== 'HEAD') || !isOurs(host, options)) return null;
      if (matchPath === '/healthz') return health;
      const page = pages.get(matchPath);
      if (page === undefined || options === null || routing === null) return null;
      const asked = hostPort(canonicalIp(peer.localAddress) ?? peer.localAddress, peer.localPort);
      const proxies = options.proxies.length === 0 ? [asked] : inOrderFor(peer.address, options.proxies);
      return { status: 200, fields: [], contentType: page.contentType, body: page.format(routing, proxies) };
    },
  };
}

/** An address, one of the advertised names, `localhost`, or `wpad` in a zone of ours, as browsers look for it. */
const isOurs = (host: string, options: ClientOptions | null): boolean =>
  host === 'localhost' ||
  canonicalIp(host.replace(/^\[(.*)\]$/, '$1')) !== null ||
  options?.proxies.some((proxy) => splitHostPort(proxy)?.host === host) === true ||
  options?.zones.some((zone) => host === `wpad.${zone}`) === true;

/** The same for each client every time, and spread over the proxies. */
function inOrderFor(client: string, proxies: readonly string[]): readonly string[] {
  let hash = 0x811c9dc5;
  for (let i = 0; i < client.length; i++) hash = Math.imul(hash ^ client.charCodeAt(i), 0x01000193);
  const start = (hash >>> 16) % proxies.length;
  return [...proxies.slice(start), ...proxies.slice(0, start)];
}
