// Requests that are tried again because labels say so: by status, by Traefik's expression, after a pause, within the budget.

import t from 'tap';
import { parseRetryExpression, pauseMs, retryRuleOf } from '../../../proxies/router/retry-rule.ts';
import { createRouteView } from '../../../proxies/router/index.ts';
import { clusterOf, routedApp } from './routed-apps.ts';
import { answering, get, openBackend, openScene, until, type Behaviour } from './scene.ts';

const failing: Behaviour = (socket) => void socket.write('HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno');
const dying: Behaviour = (socket) => void socket.destroy();

t.test('expressions of Traefik', async (t) => {
  const holds = (text: string, status: number, attempts = 1, method = 'GET'): boolean | undefined =>
    parseRetryExpression(text)?.({ status, attempts, method });
  const usual = 'IsNetworkError() && Attempts() <= 2';
  t.same(
    [holds(usual, 502), holds(usual, 502, 3), holds(usual, 503), holds(usual, 504, 2)],
    [true, false, false, true],
  );
  const ours = '(ResponseCode() == 503 || !IsNetworkError()) && RequestMethod() != "POST"';
  t.same([holds(ours, 503), holds(ours, 503, 1, 'POST'), holds(ours, 502)], [true, false, false]);
  for (const broken of ['Attempts()', 'IsNetworkError() > 1', 'RequestMethod() < "A"', '"GET" == 1', 'x()', ''])
    t.equal(parseRetryExpression(broken), null, broken);
});

t.test('pauses grow, and have an end', async (t) => {
  t.same([pauseMs(1, 0.5), pauseMs(2, 0.5), pauseMs(3, 0.5), pauseMs(9, 1)], [25, 50, 100, 250]);
  t.same([pauseMs(1, 0), pauseMs(1, 1)], [18.75, 31.25]);
  t.equal(retryRuleOf({ attempts: 2, on: ['connect', 'refused'] }), null, 'a failure to connect waits for nothing');
});

t.test('another backend after a status, and none where the method may not be sent twice', async (t) => {
  const [bad, good] = [await openBackend(t, failing), await openBackend(t, answering('good'))];
  const scene = await openScene(t, [bad.port, good.port]);
  scene.call({ retries: { attempts: 2, on: [503] } });
  const client = await scene.client();
  for (let i = 0; i < 4; i++) {
    client.send(get(`/${i}`));
    await client.expect(/good$/);
  }
  t.equal(good.heads.length, 4);
  t.ok(bad.heads.length > 0, 'the other was asked, too');
  let refused = 0;
  for (let i = 0; i < 2; i++) {
    client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nab');
    const [found] = await client.expect(/good$|no$/);
    if (found === 'no') refused++;
  }
  t.ok(refused > 0, 'what was answered stands');
});

t.test('the only backend is asked again where an expression says so, as often as it says', async (t) => {
  const backend = await openBackend(t, dying);
  const scene = await openScene(t, [backend.port]);
  scene.call({ retries: { attempts: 10, on: [], expression: 'IsNetworkError() && Attempts() <= 2' } });
  const client = await scene.client();
  client.send(get('/'));
  await client.expect(/^HTTP\/1\.1 502 /);
  t.equal(backend.heads.length, 3, 'two tries may be followed by another');
  let left = 2;
  const late = await openBackend(t, (socket, head, body) =>
    (left-- > 0 ? dying : answering('back'))(socket, head, body),
  );
  scene.serve([late.port]);
  client.send(get('/'));
  await client.expect(/back$/);
});

t.test('bodies go along, and methods that the expression names', async (t) => {
  const bodies: string[] = [];
  const backend = await openBackend(t, (socket, head, body) => {
    bodies.push(body);
    (bodies.length === 1 ? failing : answering('taken'))(socket, head, body);
  });
  const scene = await openScene(t, [backend.port]);
  const expression = 'ResponseCode() == 503 && RequestMethod() == "POST" && Attempts() <= 1';
  scene.call({ retries: { attempts: 10, on: [], expression } });
  const client = await scene.client();
  client.send('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 2\r\n\r\nab');
  await client.expect(/taken$/);
  t.same(bodies, ['ab', 'ab']);
});

t.test('a client that leaves in the pause', async (t) => {
  const backend = await openBackend(t, failing);
  const scene = await openScene(t, [backend.port]);
  scene.call({ retries: { attempts: 10, on: [], expression: 'ResponseCode() == 503' } });
  const client = await scene.client();
  client.send(get('/'));
  await until(() => backend.heads.length === 1);
  client.socket.resetAndDestroy();
  const other = await scene.client();
  scene.call({});
  other.send(get('/other'));
  await other.expect(/no$/);
  t.ok(backend.heads.length <= 4, `${backend.heads.length} requests`);
});

t.test('the label of Traefik', async (t) => {
  const rules = {
    domain: '',
    exposedByDefault: true,
    constraints: [],
    groupsAsSubDomains: false,
    marathonLBCompatibility: false,
    filterMarathonConstraints: false,
    forceTaskHostname: false,
    respectReadinessChecks: false,
    ipSources: ['host'],
    defaultEntryPoints: ['http'],
  };
  const made = (expression: string): ReturnType<typeof createRouteView> => {
    const view = createRouteView({ traefik: rules });
    const labels = { 'traefik.backend.buffering.retryExpression': expression };
    view.rebuild(clusterOf([routedApp('/a', labels)]));
    return view;
  };
  const expression = 'IsNetworkError() && Attempts() <= 2';
  const service = [...made(expression).table.values()].find(({ kind }) => kind === 'service');
  t.match(service, { retries: { attempts: 10, on: [], expression } });
  t.match(made('Attempts() <').diagnostics(), [{ key: 'traefik.backend.buffering.retryExpression', severity: 'warn' }]);
});
