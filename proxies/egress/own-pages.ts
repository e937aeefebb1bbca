// Our own pages: /proxy.pac and /wpad.dat for browsers, /proxy.env for containers. Asked for in origin-form under an address or an
// advertised name of ours; under any other name they are no business of ours.

import { splitHostPort } from '../../src/cluster/index.ts';
import { canonicalIp } from '../access/index.ts';
import type { LocalAnswer, RequestView } from '../http1/index.ts';
import { formatPac, type PacOptions } from './pac.ts';
import { formatEnvironment } from './proxy-environment.ts';

const pac = { contentType: 'application/x-ns-proxy-autoconfig', format: formatPac };
const environment = { contentType: 'text/plain; charset=utf-8', format: formatEnvironment };

type Page = Readonly<{ contentType: string; format: (options: PacOptions) => string }>;

const pages: ReadonlyMap<string, Page> = new Map([
  ['/proxy.pac', pac],
  ['/wpad.dat', pac],
  ['/proxy.env', environment],
]);

/** Null where the request asks for none of them. */
export function ownPage(request: RequestView, options: PacOptions): LocalAnswer | null {
  const { form, method, matchPath, host } = request;
  const page = pages.get(matchPath);
  if (page === undefined || form !== 'origin' || (method !== 'GET' && method !== 'HEAD')) return null;
  const isOurs =
    canonicalIp(host.replace(/^\[(.*)\]$/, '$1')) !== null ||
    options.proxies.some((proxy) => splitHostPort(proxy)?.host === host);
  if (!isOurs) return null;
  return { status: 200, fields: [], contentType: page.contentType, body: page.format(options) };
}
