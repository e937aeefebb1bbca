// URLs in the configuration: whom we call over HTTP, parent proxies with their credentials, ZooKeeper ensembles.

import { type Address, parseEndpoint } from './host-port.ts';
import { isMistake, type Mistake } from './mistake.ts';
import { Secret } from './secret.ts';

/** `http:` or `https:` with a host, and no credentials, query or fragment; comes back without a slash at its end. */
export function parseHttpUrl(text: string): string | Mistake {
  const remedy = 'write http://HOST:PORT or https://HOST:PORT';
  const url = parsed(text);
  if (url === null) return { wrong: 'is no URL', remedy };
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return { wrong: 'is no http or https URL', remedy };
  if (url.username !== '' || url.password !== '')
    return { wrong: 'carries credentials', remedy: 'put them under auth: { basic: { user, password } }' };
  if (url.search !== '' || url.hash !== '') return { wrong: 'has a query or a fragment', remedy };
  return url.href.replace(/\/+$/, '');
}

/** As `parseHttpUrl` reads it, or `h2c:` for HTTP/2 in the clear. */
export function parseBackendUrl(text: string): string | Mistake {
  if (!/^h2c:/i.test(text)) return parseHttpUrl(text);
  const url = parseHttpUrl(`http:${text.slice(4)}`);
  return typeof url === 'string' ? `h2c:${url.slice(5)}` : url;
}

type ParentScheme = 'http' | 'https' | 'socks5';

export interface ParentProxy extends Address {
  readonly scheme: ParentScheme;
  readonly user: string | null;
  readonly password: Secret | null;
}

/** `http://user:password@host:port`; `https:` and `socks5:` too. */
export function parseParentUrl(text: string): ParentProxy | Mistake {
  const remedy =
    'write http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT, with user:password@ before the host where needed';
  const url = parsed(text);
  const scheme = url?.protocol.slice(0, -1);
  if (url === null || (scheme !== 'http' && scheme !== 'https' && scheme !== 'socks5'))
    return { wrong: 'is no URL of a proxy', remedy };
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '')
    return { wrong: 'says more than a host and a port', remedy };
  // URL drops a scheme's default port.
  const port = url.port === '' ? { http: 80, https: 443, socks5: 1080 }[scheme] : Number(url.port);
  const address = parseEndpoint(`${url.hostname}:${port}`);
  if (isMistake(address)) return { wrong: 'has no valid host and port', remedy };
  return { scheme, ...address, ...credentials(url.username, url.password) };
}

export interface Ensemble {
  readonly servers: readonly Address[];
  /** The path below which masters announce themselves, such as `/mesos`. */
  readonly path: string;
  readonly user: string | null;
  readonly password: Secret | null;
}

/** `zk://[user:password@]host:port,host:port/path` (specs/orchestrator.md). */
export function parseZooKeeperUrl(text: string): Ensemble | Mistake {
  const remedy = 'write zk://HOST:2181,HOST:2181/mesos';
  const match = /^zk:\/\/(?:([^:@/]*):([^@/]*)@)?([^/@]+)(\/[^\s?#]+)$/.exec(text);
  if (match === null) return { wrong: 'is no ZooKeeper address', remedy };
  const servers: Address[] = [];
  for (const server of (match[3] ?? '').split(',')) {
    const address = parseEndpoint(/:\d+$/.test(server) ? server : `${server}:2181`);
    if (isMistake(address)) return { wrong: 'has a server that is no host:port', remedy };
    servers.push(address);
  }
  const path = (match[4] ?? '').replace(/\/+$/, '');
  return path === ''
    ? { wrong: 'has no path', remedy }
    : { servers, path, ...credentials(match[1] ?? '', match[2] ?? '') };
}

function credentials(
  user: string,
  password: string,
): { readonly user: string | null; readonly password: Secret | null } {
  return {
    user: user === '' ? null : unescaped(user),
    password: password === '' ? null : new Secret(unescaped(password)),
  };
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function parsed(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && url.hostname !== '' ? url : null;
}
