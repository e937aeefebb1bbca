// By which version of HTTP a backend is checked.

import type { ServiceEntry } from '../../proxies/router/index.ts';

/** A port that requests go to by HTTP/2 is asked by it; what another port of the task speaks, nobody has said. */
export function versionOf(
  protocol: ServiceEntry['protocol'],
  {
    kind,
    secure = false,
    port,
    portIndex,
  }: Pick<NonNullable<ServiceEntry['check']>, 'kind' | 'secure' | 'port' | 'portIndex'>,
): { readonly http2?: true } {
  const isSame = kind === 'http' && port === undefined && portIndex === undefined;
  return isSame && protocol === (secure ? 'h2' : 'h2c') ? { http2: true } : {};
}
