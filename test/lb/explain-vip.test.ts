// Explanations of VIPs for people, and dcos-net's list.

import t from 'tap';
import { createVipView, dcosVips, explainVip, type VipExplanation } from '../../lb/index.ts';
import { appKey, backendKey, reduce } from '../../src/cluster/index.ts';
import { containerPort, hostPort, overlay, snapshotOf, vipTask } from './vip-tasks.ts';

const app = appKey('marathon', '/shop/web');
const snapshot = snapshotOf(
  vipTask('ok', [hostPort(7001, '/web:80')]),
  vipTask('killed', [hostPort(7002, '/web:80')], { state: 'TASK_KILLING' }),
  vipTask('sick', [hostPort(7003, '/web:80')], { healthy: false }),
  vipTask('fresh', [hostPort(7004, '/web:80')], { hasHealthCheck: true }),
  vipTask('drained', [hostPort(7005, '/web:80')]),
  vipTask('six', [containerPort(80, 'fd01:c::5:8080')], overlay('fd01:b::1')),
  vipTask('bad', [hostPort(7006, '/shop', '192.0.2.1:99999')], { appKey: app }),
);
reduce(snapshot, { type: 'allocated', name: 'web.marathon', allocation: { ip4: '11.0.0.1', ip6: null } });
reduce(snapshot, { type: 'checked', backend: backendKey('10.0.0.1', 7005), verdict: 'drained' });
const view = createVipView({ ipv6: true });
view.rebuild(snapshot);
const explain = (target: string): VipExplanation =>
  explainVip(target, { table: view.table, diagnostics: view.diagnostics(), snapshot });

t.test('a VIP says where it is and why each backend is as it is', async (t) => {
  t.strictSame(explain('web.marathon:80').lines, [
    'tcp VIP web.marathon:80 at 11.0.0.1:80: 5 backends, 1 of them take new connections',
    '  10.0.0.1:7001 up weight=1 task=fw-1/ok: running, without a health check',
    '  10.0.0.1:7002 draining weight=0 task=fw-1/killed: its task is being killed',
    '  10.0.0.1:7003 down weight=0 task=fw-1/sick: unhealthy by the check of Mesos',
    '  10.0.0.1:7004 down weight=0 task=fw-1/fresh: its health check has no result yet',
    '  10.0.0.1:7005 draining weight=0 task=fw-1/drained: drained by an operator',
  ]);
});

t.test('it is found under every spelling', async (t) => {
  const { vips } = explain('web.marathon:80');
  for (const target of [
    '/web:80',
    'WEB:80',
    'web',
    '11.0.0.1:80',
    'web.marathon.l4lb.thisdcos.directory:80',
    'web.marathon.l4lb.thisdcos.directory.:80',
  ]) {
    t.strictSame(explain(target).vips, vips, target);
  }
  t.match(explain('[fd01:c:0::5]:8080').vips, [
    { name: null, addresses: ['fd01:c::5'], backends: [{ backend: '[fd01:b::1]:80' }] },
  ]);
});

t.test('what is not there is explained by its neighbours and by labels that gave nothing', async (t) => {
  t.strictSame(explain('web.marathon:81').lines, ['no VIP web.marathon:81', '  there is: web.marathon:80']);
  t.strictSame(explain('wep:80').nearest, ['web.marathon:80']);
  t.strictSame(explain('shop:80').lines, [
    'no VIP shop:80',
    '  marathon/shop/web VIP_0=/shop: has no port; write NAME:PORT, such as /web:80',
  ]);
  t.match(explain('192.0.2.1:99999').diagnostics, [{ value: '192.0.2.1:99999' }]);
  t.strictSame(explain('elsewhere:80').lines, ['no VIP elsewhere:80', '  no running task has a label for it']);
});

t.test('dcos-net’s list', async (t) => {
  t.strictSame(dcosVips(view.table), [
    { vip: 'fd01:c::5:8080', protocol: 'tcp', backend: [{ ip: 'fd01:b::1', port: 80 }] },
    {
      vip: 'web.marathon.l4lb.thisdcos.directory:80',
      protocol: 'tcp',
      backend: [7001, 7002, 7003, 7004, 7005].map((port) => ({ ip: '10.0.0.1', port })),
    },
  ]);
});
