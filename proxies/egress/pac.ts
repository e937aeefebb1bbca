// The proxy configuration file that browsers fetch. Tests literals and suffixes only: nothing in it makes a client look a name up.

export interface PacOptions {
  /** `host:port` of the proxies as clients reach them, in order. */
  readonly proxies: readonly string[];
  /** Suffixes of names that clients reach by themselves, such as `mesos`. */
  readonly direct: readonly string[];
}

/** Complete text. Fails closed: there is no DIRECT behind the proxies. */
export function formatPac({ proxies, direct }: PacOptions): string {
  const suffixes = direct.map((suffix) => `dnsDomainIs(host, ${JSON.stringify(`.${suffix}`)})`);
  const isDirect = ['isPlainHostName(host)', ...suffixes].join(' || ');
  return `function FindProxyForURL(url, host) {
  host = host.toLowerCase();
  if (${isDirect}) return "DIRECT";
  if (/^(10|127|192\\.168|172\\.(1[6-9]|2\\d|3[01])|169\\.254)\\.[0-9.]+$/.test(host)) return "DIRECT";
  return ${JSON.stringify(proxies.map((proxy) => `PROXY ${proxy}`).join('; '))};
}
`;
}
