// Rules: one table of verdicts, run as each kind of proxy asks.

import t from 'tap';
import {
  createLoopCheck,
  createRules,
  parseDestination,
  type AccessRequest,
  type Command,
  type RuleConfig,
  type Verdict,
} from '../../../proxies/access/index.ts';
import { systemClock } from '../../../src/runtime/index.ts';
import { fakeCluster } from './scene.ts';

const cluster = fakeCluster({
  owned: ['9.0.7.14', '127.0.5.1:31000', '10.9.9.9', '11.1.2.3'],
  apps: { '9.0.0.5': ['/team/x'], '9.0.0.6': ['/team/x', '/other/y'], '9.0.0.7': ['/team/sub/z'] },
});

interface Ask {
  readonly rules: readonly RuleConfig[];
  readonly to: string;
  /** Absent: the address that was asked for. */
  readonly ip?: string | null;
  readonly port?: number;
  readonly from?: string;
  readonly user?: string;
  readonly own?: boolean;
  readonly command?: Command;
  readonly defaultPort?: number | null;
}

function judge(ask: Ask): Verdict {
  const isLoop = createLoopCheck(() => ['127.0.0.1:1080', '10.20.0.5:3128', '0.0.0.0:53'], systemClock);
  const rules = createRules({ rules: ask.rules, cluster, isLoop });
  const destination = parseDestination(ask.to);
  if ('rejected' in destination) throw new Error(destination.rejected);
  const request: AccessRequest = {
    client: ask.from ?? '192.0.2.1',
    user: ask.user ?? null,
    command: ask.command ?? 'connect',
    destination,
    port: ask.port ?? 443,
    ip: ask.ip === undefined ? (destination.kind === 'ip' ? destination.ip : null) : ask.ip,
    own: ask.own ?? false,
    defaultPort: ask.defaultPort ?? null,
  };
  return rules.judge(request);
}

const any: readonly RuleConfig[] = [{ allow: {} }];
const named = (name: string, unsafe = false): readonly RuleConfig[] => [{ allow: { to: [name] }, unsafe }];

const rows: readonly (readonly [name: string, ask: Ask, wanted: string])[] = [
  ['no rules', { rules: [], to: '8.8.8.8' }, 'denied'],
  ['no rules, own zone', { rules: [], to: 'db.own', ip: '9.0.7.14', own: true }, 'denied'],
  ['any rule', { rules: any, to: '8.8.8.8' }, 'allow 0'],
  ['any rule, private address', { rules: any, to: '10.1.1.1' }, 'allow 0'],
  ['first match wins', { rules: [{ deny: { to: ['8.8.8.0/24'] } }, ...any], to: '8.8.8.8' }, 'denied 0'],
  ['and falls through', { rules: [{ deny: { to: ['8.8.8.0/24'] } }, ...any], to: '8.8.4.4' }, 'allow 1'],
  ['from', { rules: [{ allow: { from: ['10.0.0.0/8'] } }], to: '8.8.8.8' }, 'denied'],
  ['from mapped', { rules: [{ allow: { from: ['10.0.0.0/8'] } }], to: '8.8.8.8', from: '10.2.3.4' }, 'allow 0'],
  ['users', { rules: [{ allow: { users: ['bob'] } }], to: '8.8.8.8', user: 'bob' }, 'allow 0'],
  ['users, another', { rules: [{ allow: { users: ['bob'] } }], to: '8.8.8.8', user: 'eve' }, 'denied'],
  ['users, nobody', { rules: [{ allow: { users: ['bob'] } }], to: '8.8.8.8' }, 'denied'],
  ['apps', { rules: [{ allow: { apps: ['/team/**'] } }], to: '8.8.8.8', from: '9.0.0.5' }, 'allow 0'],
  ['apps below', { rules: [{ allow: { apps: ['/team/**'] } }], to: '8.8.8.8', from: '9.0.0.7' }, 'allow 0'],
  ['apps, one segment', { rules: [{ allow: { apps: ['/team/*'] } }], to: '8.8.8.8', from: '9.0.0.7' }, 'denied'],
  [
    'apps, shared with another',
    { rules: [{ allow: { apps: ['/team/**'] } }], to: '8.8.8.8', from: '9.0.0.6' },
    'denied',
  ],
  [
    'apps denied, shared',
    { rules: [{ deny: { apps: ['/other/*'] } }, ...any], to: '8.8.8.8', from: '9.0.0.6' },
    'denied 0',
  ],
  ['apps, no task', { rules: [{ allow: { apps: ['/**'] } }], to: '8.8.8.8' }, 'denied'],
  ['ports', { rules: [{ allow: { ports: [80, '8000-8010'] } }], to: '8.8.8.8', port: 8005 }, 'allow 0'],
  ['ports, outside', { rules: [{ allow: { ports: [80, '8000-8010'] } }], to: '8.8.8.8', port: 8011 }, 'denied'],
  ['commands', { rules: [{ allow: { commands: ['bind'] } }], to: '8.8.8.8' }, 'denied'],
  ['exact name', { rules: named('api.example'), to: 'API.example.', ip: '8.8.8.8' }, 'allow 0'],
  ['exact name, not below', { rules: named('api.example'), to: 'x.api.example', ip: '8.8.8.8' }, 'denied'],
  ['wildcard', { rules: named('*.example'), to: 'a.b.example', ip: '8.8.8.8' }, 'allow 0'],
  ['wildcard, not the domain', { rules: named('*.example'), to: 'example', ip: '8.8.8.8' }, 'denied'],
  ['wildcard, no label border', { rules: named('*.example'), to: 'evilexample', ip: '8.8.8.8' }, 'denied'],
  ['name rule, address asked', { rules: named('api.example'), to: '8.8.8.8' }, 'denied'],
  ['cluster, overlay', { rules: named('cluster'), to: '9.0.7.14', port: 5432 }, 'allow 0'],
  ['cluster, loopback of a demo', { rules: named('cluster'), to: '127.0.5.1', port: 31000 }, 'allow 0'],
  ['cluster, another port there', { rules: named('cluster'), to: '127.0.5.1', port: 5051 }, 'denied'],
  ['cluster by name', { rules: named('cluster'), to: 'db.own', ip: '9.0.7.14', own: true }, 'allow 0'],
  ['cluster by a foreign name', { rules: named('cluster'), to: 'db.example', ip: '9.0.7.14' }, 'rebind'],
  ['before resolution: foreign and cluster only', { rules: named('cluster'), to: 'db.example' }, 'denied'],
  ['before resolution: own and cluster', { rules: named('cluster'), to: 'db.own', own: true }, 'allow 0'],
  ['cluster is not external', { rules: named('external'), to: '9.0.7.14' }, 'denied'],
  ['VIP of a public range is not external', { rules: named('external'), to: '11.1.2.3' }, 'denied'],
  ['external', { rules: named('external'), to: 'www.example', ip: '8.8.8.8' }, 'allow 0'],
  ['external, IPv6', { rules: named('external'), to: '2a00::1' }, 'allow 0'],
  ['wildcard of an own zone', { rules: named('*.own'), to: 'db.own', ip: '9.0.7.14', own: true }, 'allow 0'],
  ['rebinding to a private address', { rules: named('*.example'), to: 'x.example', ip: '10.0.0.1' }, 'rebind'],
  ['rebinding into the cluster', { rules: named('*.example'), to: 'x.example', ip: '9.0.7.14' }, 'rebind'],
  [
    'rebinding, listed beside',
    { rules: [{ allow: { to: ['*.example', '10.0.0.0/8'] } }], to: 'x.example', ip: '10.0.0.1' },
    'allow 0',
  ],
  [
    'name spelled out, private',
    { rules: named('erp.corp.example'), to: 'erp.corp.example', ip: '10.0.0.1' },
    'allow 0',
  ],
  [
    'name spelled out, loopback',
    { rules: named('erp.corp.example'), to: 'erp.corp.example', ip: '127.0.0.1' },
    'range',
  ],
  ['the same, unsafe', { rules: named('erp.corp.example', true), to: 'erp.corp.example', ip: '127.0.0.1' }, 'allow 0'],
  ['loopback named without unsafe', { rules: named('127.0.0.0/8'), to: '127.0.0.1' }, 'range'],
  ['loopback named and unsafe', { rules: named('127.0.0.0/8', true), to: '127.0.0.1' }, 'allow 0'],
  [
    'unsafe opens only what is named',
    { rules: [{ allow: { to: ['127.0.0.0/8', 'external'] }, unsafe: true }], to: '169.254.169.254' },
    'denied',
  ],
  ['own listener, unsafe or not', { rules: named('127.0.0.0/8', true), to: '127.0.0.1', port: 1080 }, 'loop'],
  ['own listener on any address', { rules: named('127.0.0.0/8', true), to: '127.9.9.9', port: 53 }, 'loop'],
  ['own listener by name', { rules: any, to: 'x.example', ip: '10.20.0.5', port: 3128 }, 'loop'],
  ['another port there', { rules: any, to: '10.20.0.5', port: 3129 }, 'allow 0'],
  ['CONNECT without ports', { rules: any, to: '8.8.8.8', port: 25, defaultPort: 443 }, 'denied'],
  ['CONNECT to 443', { rules: any, to: '8.8.8.8', port: 443, defaultPort: 443 }, 'allow 0'],
  ['CONNECT with ports', { rules: [{ allow: { ports: [25] } }], to: '8.8.8.8', port: 25, defaultPort: 443 }, 'allow 0'],
  ['CONNECT into the cluster', { rules: any, to: '9.0.7.14', port: 5432, defaultPort: 443 }, 'allow 0'],
  ['before resolution: listed', { rules: named('api.example'), to: 'api.example' }, 'allow 0'],
  ['before resolution: not listed', { rules: named('api.example'), to: 'b.example' }, 'denied'],
  ['before resolution: may be external', { rules: named('external'), to: 'b.example' }, 'allow 0'],
  [
    'before resolution: denied',
    { rules: [{ deny: { to: ['*.bad.example'] } }, ...any], to: 'x.bad.example' },
    'denied 0',
  ],
  [
    'before resolution: may be denied',
    { rules: [{ deny: { to: ['10.0.0.0/8'] } }, ...any], to: 'x.example' },
    'allow 1',
  ],
];

const summary = ({ verdict, rule, reason }: Verdict): string =>
  verdict === 'allow' ? `allow ${rule}` : rule === null ? String(reason) : `${reason} ${rule}`;

for (const [name, ask, wanted] of rows) {
  t.test(name, (t) => {
    t.equal(summary(judge(ask)), wanted);
    t.end();
  });
}

const metadata = [
  ...['169.254.169.254', 'fd00:ec2::254', '168.63.129.16', '100.100.100.200', '192.0.0.192', '::ffff:169.254.169.254'],
  ...[
    '64:ff9b::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '2001:0:808:808:0:0:5601:5601',
    '0.0.0.0',
    '::',
    '::1',
    '127.255.255.255',
    '0.1.2.3',
  ],
  ...['fe80::1', 'ff02::1', '224.0.0.1', '255.255.255.255', '240.0.0.1', '::ffff:7f00:1'],
];

t.test('what is always refused stays so for every rule that does not name it', (t) => {
  const rules = [
    { allow: {} },
    { allow: { to: ['external'] } },
    { allow: { to: ['cluster'] } },
    { allow: { to: ['*.example'] } },
  ];
  for (const ip of metadata) {
    t.equal(judge({ rules, to: ip }).verdict, 'deny', ip);
    const destination = parseDestination(ip);
    const canonical = 'kind' in destination && destination.kind === 'ip' ? destination.ip : '';
    t.equal(judge({ rules, to: 'x.example', ip: canonical }).verdict, 'deny', `a name that leads to ${ip}`);
  }
  t.end();
});

t.test('the same verdict for every command that a rule does not tell apart', (t) => {
  for (const [name, ask, wanted] of rows) {
    if (name === 'commands') continue;
    for (const command of ['connect', 'bind', 'udp'] as const)
      t.equal(summary(judge({ ...ask, command })), wanted, `${name} ${command}`);
  }
  t.end();
});

t.test('problems are told and widen nothing', (t) => {
  const rules: readonly RuleConfig[] = [
    {},
    { allow: {}, deny: {} },
    { allow: { from: ['10.0.0'] } },
    { allow: { to: ['a b'] } },
    { allow: { ports: [0, '9-1', 'http'] } },
    { allow: {}, unsafe: true },
    { allow: {}, via: 'dc' },
    { deny: { to: ['8.8.8.8', '300.1.1.1'] } },
  ];
  const isLoop = (): boolean => false;
  const { problems } = createRules({ rules, cluster, isLoop });
  t.strictSame(
    problems.map((problem) => problem.split(':')[0]),
    [
      ...['rules[0]', 'rules[1]', 'rules[2].allow.from', 'rules[3].allow.to'],
      ...[
        'rules[4].allow.ports',
        'rules[4].allow.ports',
        'rules[4].allow.ports',
        'rules[5].unsafe',
        'rules[6].via',
        'rules[7].deny.to',
      ],
    ],
  );
  t.equal(summary(judge({ rules, to: '8.8.4.4' })), 'denied');
  t.equal(summary(judge({ rules: [rules[7] as RuleConfig, ...any], to: '8.8.8.8' })), 'denied 0');
  t.end();
});
