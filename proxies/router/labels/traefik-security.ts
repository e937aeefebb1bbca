// Security headers of a Traefik frontend: labels `traefik.frontend.headers.*` besides the custom ones (specs/l7.md §2.2).

import type { HeaderChange, OptionsEntry } from '../options-record.ts';
import type { TraefikLabels } from './traefik-labels.ts';

/** Parts of an options record, null for each that is not asked for. */
export interface SecurityParts {
  readonly hsts: OptionsEntry['hsts'] | null;
  readonly allowedHosts: OptionsEntry['allowedHosts'] | null;
  readonly securityHeaders: readonly HeaderChange[] | null;
}

export function securityOf(labels: TraefikLabels): SecurityParts {
  for (const name of ['publicKey', 'isDevelopment'])
    if (labels.text(`frontend.headers.${name}`) !== null)
      labels.warn(`frontend.headers.${name}`, 'is not honoured', 'remove it');
  const headers = [
    header(frameOptions(labels), 'X-Frame-Options'),
    header(labels.flag('frontend.headers.contentTypeNosniff', false) ? 'nosniff' : '', 'X-Content-Type-Options'),
    header(xssFilter(labels), 'X-XSS-Protection'),
    header(labels.text('frontend.headers.contentSecurityPolicy') ?? '', 'Content-Security-Policy'),
    header(labels.text('frontend.headers.referrerPolicy') ?? '', 'Referrer-Policy'),
  ].flat();
  return {
    hsts: hstsOf(labels),
    allowedHosts: allowedHostsOf(labels),
    securityHeaders: headers.length === 0 ? null : headers,
  };
}

const header = (value: string, name: string): readonly HeaderChange[] =>
  value === '' || /[\r\n\0]/.test(value) ? [] : [{ change: 'set', name, value }];

function frameOptions(labels: TraefikLabels): string {
  const custom = labels.text('frontend.headers.customFrameOptionsValue') ?? '';
  return custom === '' && labels.flag('frontend.headers.frameDeny', false) ? 'DENY' : custom;
}

function xssFilter(labels: TraefikLabels): string {
  const custom = labels.text('frontend.headers.customBrowserXSSValue') ?? '';
  return custom === '' && labels.flag('frontend.headers.browserXSSFilter', false) ? '1; mode=block' : custom;
}

function hstsOf(labels: TraefikLabels): OptionsEntry['hsts'] | null {
  const maxAgeSeconds = labels.integer('frontend.headers.STSSeconds', 0);
  if (maxAgeSeconds <= 0) return null;
  return {
    maxAgeSeconds,
    includeSubdomains: labels.flag('frontend.headers.STSIncludeSubdomains', false),
    preload: labels.flag('frontend.headers.STSPreload', false),
    always: labels.flag('frontend.headers.forceSTSHeader', false),
  };
}

function allowedHostsOf(labels: TraefikLabels): OptionsEntry['allowedHosts'] | null {
  const hosts = labels.list('frontend.headers.allowedHosts').map((host) => host.toLowerCase());
  if (hosts.length === 0) return null;
  return { hosts, proxyHeaders: labels.list('frontend.headers.hostsProxyHeaders').map((name) => name.toLowerCase()) };
}
