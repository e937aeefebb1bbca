// The environment that makes programs in containers use the proxy: as an env file, and as the part of a Marathon app that holds it.

import type { ClientRouting } from './client-routing.ts';
import { cidrsOf, octetPatterns, rangeText4 } from './ranges4.ts';

/** More patterns of one network than that are no help to anybody who reads them. */
const mostPatterns = 256;

/** `proxy`: `host:port`; the variables take no more than one. */
export function environmentOf(routing: ClientRouting, proxy: string): Readonly<Record<string, string>> {
  const url = `http://${proxy}`;
  const none = noProxy(routing).join(',');
  return {
    // Upper-case HTTP_PROXY is what a CGI program gets from a `Proxy:` field, so clients ignore it and we do not name it.
    http_proxy: url,
    https_proxy: url,
    HTTPS_PROXY: url,
    no_proxy: none,
    NO_PROXY: none,
    NODE_USE_ENV_PROXY: '1',
    JAVA_TOOL_OPTIONS: javaOptions(routing, proxy).join(' '),
  };
}

/**
 * Dialects differ: some want a leading dot for a suffix, others must not see it; networks are understood by Go, newer curl and partly by
 * Python, `first-last` ranges by Node. What one does not understand, it passes over.
 */
function noProxy({ zones, names, ranges }: ClientRouting): readonly string[] {
  const suffixes = zones.flatMap((zone) => [zone, `.${zone}`]);
  return [
    'localhost',
    '127.0.0.1',
    '::1',
    ...suffixes,
    ...names,
    ...ranges.flatMap(cidrsOf),
    ...ranges.map(rangeText4),
  ];
}

/** `http.nonProxyHosts` counts for https too, and knows names with a `*` in front or behind alone. */
function javaOptions({ zones, names, ranges }: ClientRouting, proxy: string): readonly string[] {
  const colon = proxy.lastIndexOf(':');
  const [host, port] = [proxy.slice(0, colon).replace(/^\[|\]$/g, ''), proxy.slice(colon + 1)];
  const none = [
    ...['localhost', '[::1]'],
    ...zones.flatMap((zone) => [zone, `*.${zone}`]),
    ...names,
    ...ranges.flatMap((range) => octetPatterns(range, mostPatterns)),
  ];
  return [
    ...['http', 'https'].flatMap((scheme) => [`-D${scheme}.proxyHost=${host}`, `-D${scheme}.proxyPort=${port}`]),
    `-Dhttp.nonProxyHosts=${none.join('|')}`,
  ];
}

/**
 * A `NAME=value` a line that shells (`set -a; . FILE`), systemd and `docker --env-file` read alike. That leaves no way
 * to quote a blank, so Java's options are parted by form feeds: blanks to Java, letters to everybody else. The quotes around the list of
 * hosts are undone by the shell, and by Java where no shell was.
 */
export function formatEnvironment(environment: Readonly<Record<string, string>>): string {
  return Object.entries(environment)
    .map(([name, value]) => `${name}=${name === 'JAVA_TOOL_OPTIONS' ? withoutBlanks(value) : value}\n`)
    .join('');
}

const withoutBlanks = (options: string): string =>
  options
    .split(' ')
    .map((option) => (option.includes('|') ? `'${option}'` : option))
    .join('\f');
