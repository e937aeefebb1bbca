// The environment that makes programs in containers use the proxy, as an env file: `docker --env-file`, systemd, or a shell with `set -a`.

import type { PacOptions } from './pac.ts';

/** Never through a proxy, in every dialect: networks are understood by Go and newer curl alone. */
const local = ['localhost', '127.0.0.1', '::1', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254.0.0/16'];

/** Complete text, a `NAME=value` a line without anything to quote. Names the first proxy: the variables take no more than one. */
export function formatEnvironment({ proxies, direct }: PacOptions): string {
  const proxy = `http://${proxies[0] ?? ''}`;
  // Some want the leading dot for a suffix, others must not see it.
  const none = [...local, ...direct.flatMap((suffix) => [suffix, `.${suffix}`])].join(',');
  const variables = {
    // Upper-case HTTP_PROXY is what a CGI program gets from a `Proxy:` field, so clients ignore it and we do not name it.
    http_proxy: proxy,
    https_proxy: proxy,
    HTTPS_PROXY: proxy,
    no_proxy: none,
    NO_PROXY: none,
    NODE_USE_ENV_PROXY: '1',
  };
  return `${Object.entries(variables)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')}\n`;
}
