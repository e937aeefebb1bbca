// Labels of a service port and of its vhosts that are easily written wrong: what is served then, and what is told.

import t from 'tap';
import type { Diagnostic, Labels } from '../../../src/cluster/index.ts';
import { claimsOfUnit } from '../../../proxies/router/labels/dialects.ts';
import { unitKeyOf, unitOf } from '../../../proxies/router/labels/deployment-group.ts';
import { defaultLabelRules, type ClaimedRecord, type LabelRules } from '../../../proxies/router/labels/label-rules.ts';
import { routedApp } from './routed-apps.ts';

interface Claimed {
  readonly records: readonly ClaimedRecord[];
  readonly told: readonly string[];
}

function claim(labels: Labels, rules: Partial<LabelRules> = {}): Claimed {
  const app = routedApp('/till', labels);
  const { records, diagnostics } = claimsOfUnit(unitOf(unitKeyOf(app), [app]), {
    ...defaultLabelRules,
    groups: ['*'],
    ...rules,
  });
  return { records, told: diagnostics.map(wordsOf) };
}

const wordsOf = ({ severity, key, reason, hint }: Diagnostic): string => `${severity} ${key} ${reason}: ${hint}`;
const portOf = (labels: Labels, rules?: Partial<LabelRules>): ClaimedRecord | undefined =>
  claim(labels, rules).records.find(({ kind }) => kind === 'port');
const hostsOf = (labels: Labels, rules?: Partial<LabelRules>): readonly string[] =>
  claim(labels, rules).records.flatMap((record) => (record.kind === 'route' ? [record.host] : []));

t.test('a port whose clients cannot be asked who they are is not opened', async (t) => {
  const labels = { HAPROXY_0_SSL_CERT: '/etc/till.pem', HAPROXY_0_BIND_OPTIONS: 'verify required' };
  t.equal(portOf(labels), undefined);
  t.match(claim(labels).told, [
    'error HAPROXY_0_BIND_OPTIONS verify required needs a ca-file, so the port is not opened',
  ]);
  t.match(portOf(labels, { allowUnsafeTemplates: true }), { port: 10_000 });
  t.equal(portOf({ HAPROXY_0_BIND_OPTIONS: 'crl-file /etc/revoked.pem' }), undefined);
  const asked = { ...labels, HAPROXY_0_BIND_OPTIONS: 'ca-file /etc/ca.pem verify required' };
  t.match(portOf(asked), { tls: { clients: { ca: '/etc/ca.pem', mode: 'required' } } });
  t.same(claim(asked).told, []);
});

t.test('words of a bind: an interface, versions, TLS without a certificate', async (t) => {
  t.match(portOf({ HAPROXY_0_BIND_OPTIONS: 'interface lo accept-proxy' }), { interface: 'lo', acceptProxy: true });
  t.match(claim({ HAPROXY_0_SSL_CERT: '/etc/till.pem', HAPROXY_0_BIND_OPTIONS: 'ssl-min-ver TLS1.2' }).told, [
    'warn HAPROXY_0_BIND_OPTIONS "TLS1.2" is no version of TLS: one of TLSv1.0, TLSv1.1, TLSv1.2, TLSv1.3',
  ]);
  t.match(claim({ HAPROXY_0_BIND_OPTIONS: 'alpn h2' }).told, [
    'warn HAPROXY_0_BIND_OPTIONS its words on TLS mean nothing without a certificate: set HAPROXY_0_SSL_CERT',
  ]);
});

t.test('expressions may have commas in braces; as measured they and wildcards are names like others', async (t) => {
  const labels = { HAPROXY_0_VHOST: 'a.example, ~^b{1,2}\\.example$ ,*.c.example' };
  t.same(hostsOf(labels), ['a.example', '~^b{1,2}\\.example$', '*.c.example']);
  t.same(hostsOf(labels, { labels: 'reference' }), ['a.example']);
});

t.test('names that are none, and labels about requests where none are seen', async (t) => {
  t.match(claim({ HAPROXY_0_MODE: 'http', HAPROXY_00_VHOST: 'a.example', HAPROXY_0_sticky: 'true' }).told, [
    'warn HAPROXY_00_VHOST is no label of this name: did you mean HAPROXY_0_VHOST?',
    'warn HAPROXY_0_sticky is no label of this name: did you mean HAPROXY_0_STICKY?',
  ]);
  t.match(claim({ HAPROXY_0_MODE: 'tcp', HAPROXY_0_AUTH: 'staff:anna:$6$ab$cd', HAPROXY_0_STICKY: 'yes' }).told, [
    'error HAPROXY_0_AUTH has no effect in mode tcp: set HAPROXY_0_MODE to http',
    'warn HAPROXY_0_STICKY has no effect in mode tcp: set HAPROXY_0_MODE to http',
  ]);
});
