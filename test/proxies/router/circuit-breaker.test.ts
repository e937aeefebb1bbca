// Circuit breakers: what their expressions say, how they open and recover, and what clients get meanwhile.

import t from 'tap';
import { parseBreakerExpression } from '../../../proxies/router/breaker-expression.ts';
import { CircuitBreaker } from '../../../proxies/router/circuit-breaker.ts';
import { answering, counted, get, openBackend, openScene, until } from './scene.ts';

const figures = {
  networkErrorRatio: () => 0.4,
  requestCount: () => 20,
  codeRatio: (from: number, to: number, ofFrom: number, ofTo: number) => (to - from) / (ofTo - ofFrom),
  latencyMs: (percent: number) => percent * 2,
};

t.test('expressions', async (t) => {
  const holds = (text: string): boolean | undefined => parseBreakerExpression(text)?.(figures);
  t.equal(holds('NetworkErrorRatio() > 0.5'), false);
  t.equal(holds('NetworkErrorRatio() >= 0.4'), true);
  t.equal(holds('0.5 > NetworkErrorRatio()'), true);
  t.equal(holds('LatencyAtQuantileMS(50.0) == 100 && !(NetworkErrorRatio() != 0.4)'), true);
  t.equal(holds('ResponseCodeRatio(500, 600, 0, 600) > 0.1'), true);
  t.equal(holds('ResponseCodeRatio(500, 600, 0, 600) < 0.1'), false);
  // && binds closer.
  t.equal(holds('NetworkErrorRatio() > 0 || NetworkErrorRatio() > 0 && NetworkErrorRatio() > 1'), true);
  t.equal(holds('(NetworkErrorRatio() > 0 || NetworkErrorRatio() > 0) && NetworkErrorRatio() > 1'), false);
  for (const broken of [
    '',
    'NetworkErrorRatio()',
    'NetworkErrorRatio() >',
    'NetworkErrorRatio(1) > 1',
    'toString() > 1',
    'NetworkErrorRatio() > 0.5 &&',
    '(NetworkErrorRatio() > 0.5',
    'NetworkErrorRatio() > 0.5 ; 1',
    'LatencyAtQuantileMS(50.0, 1) > 1',
    'NetworkErrorRatio() > 0.5)',
  ])
    t.equal(parseBreakerExpression(broken), null, broken);
});

function breakerWith(expression: string): {
  breaker: CircuitBreaker;
  pass(ms: number): void;
  draw(value: number): void;
} {
  const holds = parseBreakerExpression(expression);
  if (holds === null) throw new Error(expression);
  let nowMs = 50_000;
  let drawn = 0.5;
  const clock = { now: () => nowMs, monotonic: () => nowMs, after: () => ({ cancel: () => undefined }) };
  const entry = { expression, openMs: 10_000, recoveryMs: 10_000 };
  const breaker = new CircuitBreaker(entry, holds, { clock, random: () => drawn, onChange: () => undefined });
  return { breaker, pass: (ms) => void (nowMs += ms), draw: (value) => void (drawn = value) };
}

t.test('opens, recovers by and by, opens again, closes', async (t) => {
  const { breaker, pass, draw } = breakerWith('NetworkErrorRatio() > 0.5');
  for (let i = 0; i < 5; i++) {
    breaker.ended(200, false, 1);
    breaker.ended(502, true, 1);
    pass(150);
  }
  t.equal(breaker.state, 'closed', 'half of them failed');
  t.equal(breaker.networkErrorRatio(), 0.5);
  breaker.ended(502, true, 1);
  t.equal(breaker.state, 'open');
  t.equal(breaker.admits(), false);
  pass(9_999);
  t.equal(breaker.admits(), false);
  pass(1);
  t.equal(breaker.admits(), false, 'nobody at the beginning of the recovery');
  t.equal(breaker.state, 'recovering');
  pass(4_000);
  draw(0.55);
  t.equal(breaker.admits(), false);
  draw(0.65);
  t.equal(breaker.admits(), true, 'four of ten');
  breaker.ended(502, true, 1);
  t.equal(breaker.state, 'open', 'no better than before');
  pass(10_000);
  breaker.admits();
  pass(10_000);
  t.equal(breaker.admits(), true);
  t.equal(breaker.state, 'closed');
});

t.test('what happened more than ten seconds ago counts no more', async (t) => {
  const { breaker } = breakerWith('ResponseCodeRatio(500, 600, 0, 600) > 0.9');
  breaker.ended(500, false, 1);
  t.equal(breaker.state, 'open', 'one of one is more than nine of ten');
  const other = breakerWith('ResponseCodeRatio(500, 600, 0, 600) > 2');
  for (let i = 0; i < 4; i++) other.breaker.ended(500, false, 1);
  other.pass(10_000);
  other.breaker.ended(200, false, 1);
  t.equal(other.breaker.codeRatio(500, 600, 0, 600), 0);
});

t.test('latencies by quantile', async (t) => {
  const { breaker } = breakerWith('LatencyAtQuantileMS(50.0) > 100000');
  for (let i = 1; i <= 100; i++) breaker.ended(200, false, i);
  for (const percent of [10, 50, 90, 99]) {
    const ratio = breaker.latencyMs(percent) / percent;
    t.ok(ratio > 0.97 && ratio < 1.03, `${percent} %: ${ratio}`);
  }
});

t.test('clients get 503 at once while it is open', async (t) => {
  const backend = await openBackend(t, (socket) => socket.destroy());
  const scene = await openScene(t, [backend.port]);
  scene.call({ breaker: { expression: 'NetworkErrorRatio() > 0.5', openMs: 60_000, recoveryMs: 60_000 } });
  const client = await scene.client();
  client.send(get('/first').replace('GET', 'POST').replace('\r\n\r\n', '\r\nContent-Length: 0\r\n\r\n'));
  await client.expect(/ 502 [^]*\n/);
  const asked = backend.heads.length;
  client.send(get('/second'));
  await client.expect(/ 503 [^]*Retry-After: \d+[^]*Proxy-Status: isthmus; error=connection_limit_reached[^]*\n/);
  t.equal(backend.heads.length, asked, 'nobody was asked');
  t.equal(counted(scene.metrics, 'router_breakers_opened_total', {}), 1);
  scene.call({});
  const good = await openBackend(t, answering('ok'));
  scene.serve([good.port]);
  await until(() => good.port > 0);
  client.send(get('/third'));
  await client.expect(/ 200 [^]*ok/);
});
