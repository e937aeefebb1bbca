// The proxy configuration file that browsers fetch. Tests literals and suffixes only: nothing in it makes a client look a name up.

import type { ClientRouting } from './client-routing.ts';

/**
 * Complete text, in the JavaScript of 1999 that every engine has. `proxies`: `host:port` in the order in which they are tried. Fails
 * closed: there is no DIRECT behind the proxies.
 */
export function formatPac({ zones, names, ranges, proxied }: ClientRouting, proxies: readonly string[]): string {
  const text = (value: unknown): string => JSON.stringify(value);
  return `var zones = ${text(zones)};
var names = ${text(names)};
var proxied = ${text(proxied)};
var ranges = ${text(ranges.map(({ first, last }) => [first, last]))};
var proxies = ${text(proxies.map((proxy) => `PROXY ${proxy}`).join('; '))};

function listed(list, name) {
  for (var i = 0; i < list.length; i++) if (list[i] === name) return true;
  return false;
}

function FindProxyForURL(url, host) {
  host = host.toLowerCase().replace(/\\.$/, "").replace(/^\\[|\\]$/g, "");
  var i;
  var quad = /^(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})\\.(\\d{1,3})$/.exec(host);
  if (quad) {
    var ip = ((+quad[1] * 256 + +quad[2]) * 256 + +quad[3]) * 256 + +quad[4];
    for (i = 0; i < ranges.length; i++) if (ip >= ranges[i][0] && ip <= ranges[i][1]) return "DIRECT";
    return proxies;
  }
  if (/:/.test(host)) return /^(::1$|f[cd]|fe[89ab])/.test(host) ? "DIRECT" : proxies;
  if (listed(proxied, host)) return proxies;
  if (isPlainHostName(host) || listed(names, host) || listed(zones, host)) return "DIRECT";
  for (i = 0; i < zones.length; i++) if (dnsDomainIs(host, "." + zones[i])) return "DIRECT";
  return proxies;
}
`;
}
