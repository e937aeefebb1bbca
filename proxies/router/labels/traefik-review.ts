// One diagnostic for each traefik.* label that is none by its name, with the nearest one there is.

import { nearest } from '../label-values.ts';
import type { LabelReader } from './label-reader.ts';

const certificateFacts = [
  'commonName',
  'country',
  'domainComponent',
  'locality',
  'organization',
  'province',
  'serialNumber',
];

/** Of the app alone. */
const ofApp = ['enable', 'tags', 'domain', 'ipAddressIdx', 'backend.id'];

/** Of the app, or of one segment of it. `*` stands for a name of the user's. */
const ofPair = [
  'port',
  'portIndex',
  'portName',
  'protocol',
  'weight',
  'backend',
  ...['rule', 'entryPoints', 'priority', 'passHostHeader', 'passTLSCert', 'whitelistSourceRange', 'auth.basic'],
  ...['passTLSClientCert.pem', 'auth.headerField', 'whiteList.sourceRange', 'whiteList.useXForwardedFor'],
  ...['notBefore', 'notAfter', 'sans'].map((name) => `passTLSClientCert.infos.${name}`),
  ...certificateFacts.map((name) => `passTLSClientCert.infos.subject.${name}`),
  ...certificateFacts.map((name) => `passTLSClientCert.infos.issuer.${name}`),
  ...['basic', 'digest'].flatMap((kind) =>
    ['users', 'usersFile', 'removeHeader'].map((name) => `auth.${kind}.${name}`),
  ),
  ...['address', 'authResponseHeaders', 'trustForwardHeader'].map((name) => `auth.forward.${name}`),
  ...['ca', 'caOptional', 'cert', 'key', 'insecureSkipVerify'].map((name) => `auth.forward.tls.${name}`),
  ...['entryPoint', 'regex', 'replacement', 'permanent'].map((name) => `redirect.${name}`),
  ...['status', 'backend', 'query'].map((name) => `errors.*.${name}`),
  'rateLimit.extractorFunc',
  ...['period', 'average', 'burst'].map((name) => `rateLimit.rateSet.*.${name}`),
  ...[
    ...[
      'customRequestHeaders',
      'customResponseHeaders',
      'SSLRedirect',
      'SSLTemporaryRedirect',
      'SSLHost',
      'SSLForceHost',
    ],
    ...['SSLProxyHeaders', 'STSSeconds', 'STSIncludeSubdomains', 'STSPreload', 'forceSTSHeader', 'frameDeny'],
    ...['customFrameOptionsValue', 'contentTypeNosniff', 'browserXSSFilter', 'customBrowserXSSValue', 'allowedHosts'],
    ...['contentSecurityPolicy', 'publicKey', 'referrerPolicy', 'hostsProxyHeaders', 'isDevelopment'],
  ].map((name) => `headers.${name}`),
].map((name, i) => (i < 6 ? name : `frontend.${name}`));

const ofBackend = [
  'circuitbreaker.expression',
  'responseForwarding.flushInterval',
  ...['path', 'interval', 'timeout', 'port', 'scheme', 'hostname', 'headers'].map((name) => `healthcheck.${name}`),
  ...['method', 'sticky', 'stickiness'].map((name) => `loadbalancer.${name}`),
  ...['cookieName', 'secure', 'httpOnly', 'sameSite'].map((name) => `loadbalancer.stickiness.${name}`),
  ...['amount', 'extractorfunc'].map((name) => `maxconn.${name}`),
  ...[
    'maxRequestBodyBytes',
    'memRequestBodyBytes',
    'maxResponseBodyBytes',
    'memResponseBodyBytes',
    'retryExpression',
  ].map((name) => `buffering.${name}`),
].map((name) => `backend.${name}`);

const names = [...ofApp, ...ofPair, ...ofBackend];

const expressionOf = (all: readonly string[]): string =>
  all.map((name) => name.replaceAll('.', '\\.').replaceAll('*', '[^.]+')).join('|');

/** What is Docker's own does no harm. */
const known = new RegExp(`^traefik\\.(?:(?:${expressionOf(names)})|[^.]+\\.(?:${expressionOf(ofPair)})|docker\\..+)$`);

export function reviewTraefikNames(reader: LabelReader): void {
  for (const key of reader.keys) {
    if (!key.startsWith('traefik.') || known.test(key)) continue;
    const near = nearest(
      key,
      names.map((name) => `traefik.${name}`),
    );
    const hint = near === null ? 'see the list of labels' : `did you mean ${near}?`;
    reader.report(key, 'warn', 'is no label of this name', hint);
  }
}
