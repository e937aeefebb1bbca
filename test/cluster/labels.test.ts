// Mangling of labels and parsing of VIP labels, by vectors.

import t from 'tap';
import { isVipKey, mangleLabel, mangleName, parseVipLabel } from '../../src/cluster/index.ts';

const a63 = 'a'.repeat(63);

t.test('one label', async (t) => {
  for (const [text, wanted] of [
    ['web', 'web'],
    ['WEB', 'web'],
    ['/group/app', 'groupapp'],
    ['my_app', 'my-app'],
    ['--web--', 'web'],
    ['_._web', 'web'],
    ['9lives', '9lives'],
    ['a b\tc', 'abc'],
    ['größe', 'gre'],
    ['', ''],
    ['///', ''],
    ['a-', 'a'],
    [`${a63}b`, a63],
    [`${'a'.repeat(62)}-b`, `${'a'.repeat(62)}b`],
    [`${'a'.repeat(61)}--bcd`, `${'a'.repeat(61)}bc`],
  ] as const) {
    t.equal(mangleLabel(text), wanted, text);
  }
});

t.test('dots stay separators in a name', async (t) => {
  for (const [text, wanted] of [
    ['/api.v2', 'api.v2'],
    ['dev/kafka', 'devkafka'],
    ['a..b.', 'a.b'],
    ['broker', 'broker'],
  ] as const) {
    t.equal(mangleName(text), wanted, text);
  }
});

t.test('VIP label keys', async (t) => {
  for (const key of ['VIP_0', 'VIP', 'vip_x', 'VIPER']) t.ok(isVipKey(key), key);
  for (const key of ['Vip_0', 'NOVIP', '_VIP', '']) t.notOk(isVipKey(key), key);
});

t.test('VIP label values', async (t) => {
  for (const [value, framework, wanted] of [
    ['/web:80', 'marathon', { kind: 'named', name: 'web.marathon', port: 80 }],
    ['web:80', 'marathon', { kind: 'named', name: 'web.marathon', port: 80 }],
    ['/groupware/nginx:8443', 'marathon', { kind: 'named', name: 'groupwarenginx.marathon', port: 8443 }],
    ['broker:9092', 'dev/kafka', { kind: 'named', name: 'broker.devkafka', port: 9092 }],
    ['/api.v2:80', 'marathon', { kind: 'named', name: 'api.v2.marathon', port: 80 }],
    ['192.0.2.10:5000', 'marathon', { kind: 'address', ip: '192.0.2.10', port: 5000 }],
    ['fd01:c::5:8080', 'marathon', { kind: 'address', ip: 'fd01:c::5', port: 8080 }],
    ['[fd01::1]:80', 'marathon', { kind: 'named', name: 'fd011.marathon', port: 80 }],
    ['1.2.3:80', 'marathon', { kind: 'named', name: '1.2.3.marathon', port: 80 }],
    ['x:65535', 'm', { kind: 'named', name: 'x.m', port: 65535 }],
  ] as const) {
    t.strictSame(parseVipLabel(value, framework), wanted, value);
  }
  for (const value of [
    'noport',
    '/zero:0',
    '/neg:-5',
    '/text:http',
    '/big:65536',
    '/empty:',
    ':80',
    '///:80',
    '/f:1e3',
    '/s: 80',
  ]) {
    t.match(parseVipLabel(value, 'marathon'), { rejected: String, hint: String }, value);
  }
});
