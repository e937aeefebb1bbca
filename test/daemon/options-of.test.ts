// What the configuration says of limits and timeouts reaches the functions: each under the right name, none forgotten.

import t from 'tap';
import { parseConfig, type Config } from '../../src/daemon/config/index.ts';
import { accessSettings, routerSettings } from '../../src/daemon/options-of.ts';

function parse(yaml: string): Config {
  const { config, problems } = parseConfig(
    `cluster: [{ mesos: { masters: ["http://10.0.0.11:5050"] } }]\n${yaml}`,
    'isthmus.yaml',
    {},
  );
  if (config === null) throw new Error(JSON.stringify(problems));
  return config;
}

const limits =
  'connections: 1, perClient: 2, newPerSecond: 3, newBurst: 4, headerBytes: 5000, headerFields: 6, authPerMinute: 7, perUser: 8, ' +
  'perApp: 9, dnsPending: 10, dialsPending: 11, connectionBytesPerSecond: 12k, userBytesPerSecond: 13k, listenerBytesPerSecond: 14k';
const timeouts =
  'header: 1s, dnsTotal: 2s, connect: 3s, connectTotal: 4s, tunnel: 5s, halfClosed: 6s, idle: 7s, responseHeader: 8s, lifetime: 9s';

t.test('httpProxy', async (t) => {
  const { httpProxy } = parse(`httpProxy: { limits: { ${limits} }, timeouts: { ${timeouts} } }\n`);
  if (httpProxy === null) throw new Error('no section');
  t.strictSame(accessSettings(httpProxy.limits, httpProxy.timeouts), {
    limits: {
      connections: 1,
      perClient: 2,
      newPerClient: 3,
      burstPerClient: 4,
      dnsPending: 10,
      dialsPending: 11,
      connectionBytesPerSecond: 12_288,
      listenerBytesPerSecond: 14_336,
      perUser: 8,
      perApp: 9,
      userBytesPerSecond: 13_312,
      headerBytes: 5000,
      headerFields: 6,
      wrongPasswords: 7,
    },
    timeouts: {
      headerMs: 1000,
      dnsMs: 2000,
      connectMs: 3000,
      dialMs: 4000,
      tunnelMs: 5000,
      halfCloseMs: 6000,
      lifetimeMs: 9000,
      idleMs: 7000,
      responseMs: 8000,
    },
  });
});

t.test('socks and forwards have no settings of HTTP', async (t) => {
  const { socks, forwards } = parse(
    'socks: {}\nforwards: [{ listen: "127.0.0.1:1", to: "127.0.0.1:2", from: any, limits: { connections: 9 }, timeouts: { tunnel: 9s } }]\n',
  );
  const [forward] = forwards;
  if (socks === null || forward === undefined) throw new Error('no section');
  const ofSocks = accessSettings(socks.limits, socks.timeouts);
  t.notOk('headerBytes' in ofSocks.limits || 'idleMs' in ofSocks.timeouts);
  t.equal(ofSocks.limits.wrongPasswords, 10);
  const ofForward = accessSettings(forward.limits, forward.timeouts);
  t.match(ofForward, { limits: { connections: 9, perClient: 100 }, timeouts: { tunnelMs: 9000, headerMs: 3000 } });
  t.notOk('wrongPasswords' in ofForward.limits);
});

t.test('router', async (t) => {
  const { router } = parse(
    'router: { limits: { headerFields: 9, perClient: 8 }, timeouts: { responseHeader: 3s, response: 4s, upstreamIdle: 5s } }\n',
  );
  if (router === null) throw new Error('no section');
  t.match(routerSettings(router), {
    limits: { fields: 9, perClient: 8 },
    timeouts: { responseMs: 3000, answerMs: 4000, upstreamIdleMs: 5000 },
  });
});
