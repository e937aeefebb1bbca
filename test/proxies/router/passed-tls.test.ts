// TLS that is passed on by name: from the label to the backend that makes the handshake.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import t from 'tap';
import { createRouteView } from '../../../proxies/router/index.ts';
import { bindTcp } from '../../../src/runtime/index.ts';
import { testAuthority } from '../../certs/authority.ts';
import { clusterOf, routedApp } from './routed-apps.ts';
import { openScene } from './scene.ts';

t.test('labels: a port in mode tcp passes the TLS of its vhosts, where TLS is listened for', async (t) => {
  const labels = { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: 'raw.example,*.raw.example', HAPROXY_0_MODE: 'tcp' };
  const keys = (listeners: readonly ('http' | 'https')[]): string[] => {
    const view = createRouteView({ groups: ['external'], listeners });
    view.rebuild(clusterOf([routedApp('/web', labels)]));
    const told = view.diagnostics().filter(({ key }) => key === 'HAPROXY_0_VHOST').length;
    return [...[...view.table.keys()].filter((key) => /^(sni|route):/.test(key)), `${told} told`].sort();
  };
  t.same(keys(['http', 'https']), ['0 told', 'sni:*.raw.example', 'sni:raw.example']);
  t.same(keys(['http']), ['1 told']);
});

t.test('the handshake is between client and backend', async (t) => {
  const { certificate, key } = testAuthority().issue(['raw.example']);
  const backend = createServer({ cert: certificate, key }, (socket) => socket.end('from the backend'));
  await once(backend.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => backend.close());
  const https = bindTcp('127.0.0.1', 0);
  const tls = { profile: 'intermediate' as const, strictSni: true, clientAuth: [], proxyProtocol: [] };
  const scene = await openScene(t, [(backend.address() as AddressInfo).port], { https: [https], tls });
  const target = { app: null, appId: '/a/raw', portIndex: 0, options: 'static:0', set: 'static:0' };
  await scene.apply([['sni:*.raw.example', { kind: 'sni', id: '*.raw.example', ...target }]]);
  const ask = async (servername: string): Promise<string> => {
    const socket = connect({ port: https.port, host: '127.0.0.1', servername, rejectUnauthorized: false });
    let text = '';
    for await (const chunk of socket) text += String(chunk);
    return `${text}, ${socket.getPeerX509Certificate()?.subjectAltName ?? ''}`;
  };
  t.match(await ask('x.y.raw.example'), 'from the backend');
  await t.rejects(ask('raw.example'), { code: /UNRECOGNIZED_NAME/ });
  await scene.apply([], ['sni:*.raw.example']);
  await t.rejects(ask('x.y.raw.example'), { code: /UNRECOGNIZED_NAME/ });
});
