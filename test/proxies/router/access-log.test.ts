// Lines of the access log as other programs write them: their own tools must be able to read ours.

import t from 'tap';
import { bindTcp } from '../../../src/runtime/index.ts';
import type { AccessLogFormat } from '../../../proxies/router/index.ts';
import { rawClient } from '../http1/raw-client.ts';
import { answering, counted, get, openBackend, openScene, until } from './scene.ts';

async function linesOf(t: Parameters<typeof openScene>[0], format: AccessLogFormat): Promise<string> {
  const backend = await openBackend(t, answering('ok'));
  let lines = '';
  const accessLog = { format, write: (text: string) => void (lines += text) };
  const scene = await openScene(t, [backend.port], { accessLog, http: [bindTcp('127.0.0.1', 0)] });
  scene.call({});
  const port = Number(scene.router.listeners()[0]?.split(':')[1]);
  const client = await rawClient(port);
  t.teardown(() => client.close());
  client.send(get('/a"b', 'User-Agent: x\xff', `traceparent: 00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`));
  await client.expect(/ 200 [^]*ok/);
  scene.serve([]);
  client.send(get('/none'));
  await client.expect(/ 503 [^]*\n/);
  await until(() => lines.split('\n').length > 2);
  return lines.replaceAll(String(backend.port), 'PORT');
}

t.test('HAProxy', async (t) => {
  const [first = '', second = ''] = (await linesOf(t, 'haproxy')).split('\n');
  const date = String.raw`\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\]`;
  t.match(
    first,
    new RegExp(
      String.raw`^127\.0\.0\.1:\d+ ${date} http a_web_10000/127_0_0_1_PORT 0/0/\d+/\d+/\d+ 200 2 - - ---- 0/0/0/0/0 0/0 "GET /a\\"b HTTP/1\.1"$`,
    ),
  );
  t.match(second, /http a_web_10000\/<NOSRV> 0\/0\/-1\/-1\/\d+ 503 \d+ - - SC-- /);
});

t.test('Traefik', async (t) => {
  const [first = ''] = (await linesOf(t, 'traefik')).split('\n');
  t.match(
    first,
    /^127\.0\.0\.1 - - \[[^\]]+\] "GET \/a\\"b HTTP\/1\.1" 200 2 "-" "x\\xff" \d+ "http:a\.example\/" "http:\/\/127\.0\.0\.1:PORT" \d+ms$/,
  );
});

t.test('JSON', async (t) => {
  const [first = '{}', second = '{}'] = (await linesOf(t, 'json')).split('\n');
  t.match(JSON.parse(first), {
    trace_id: 'a'.repeat(32),
    service: 'a_web_10000',
    server: '127.0.0.1:PORT',
    outcome: 'ok',
    connect_ms: Number,
    ttfb_ms: Number,
  });
  t.match(JSON.parse(second), { status: 503, outcome: 'no_server', server: '' });
});

t.test('JSON of what changes from request to request on one connection', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  let lines = '';
  const accessLog = { format: 'json', write: (text: string) => void (lines += text) } as const;
  const scene = await openScene(t, [backend.port], { accessLog, http: [bindTcp('127.0.0.1', 0)] });
  const port = Number(scene.router.listeners()[0]?.split(':')[1]);
  const client = await rawClient(port);
  t.teardown(() => client.close());
  const asked: readonly (readonly [string, ...string[]])[] = [
    ['/one?q=1&r=%22', 'User-Agent: first', 'Referer: http://x.example/"'],
    ['/one?q=1&r=%22', 'User-Agent: first', 'Referer: http://x.example/"'],
    ['/two', 'User-Agent: second \\ \xe4'],
    ['/?', 'Referer: a'],
  ];
  for (const [target, ...fields] of asked) {
    client.send(get(target, ...fields));
    await client.expect(/ 200 [^]*ok/);
  }
  client.send('NONSENSE\r\n\r\n');
  await until(() => lines.split('\n').length > asked.length + 1);
  const entries = lines
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  t.match(lines, /^(?:[ -~]*\n)*$/, 'nothing but ASCII');
  const said = entries.map(({ path, query, user_agent: agent, referer }) => [path, query, agent, referer]);
  t.same(said, [
    ['/one', 'q=1&r=%22', 'first', 'http://x.example/"'],
    ['/one', 'q=1&r=%22', 'first', 'http://x.example/"'],
    ['/two', '', 'second \\ \xe4', ''],
    ['/', '', '', 'a'],
    ['-', '', '', ''],
  ]);
  t.equal(new Set(entries.map(({ request_id: id }) => id)).size, entries.length);
  t.match(entries[0], { host: 'a.example', method: 'GET', protocol: 'HTTP/1.1', scheme: 'http', status: 200 });
  t.match(entries[0], { route: 'http:a.example/', service: 'static:0', bytes_in: 0, bytes_out: 2, retries: 0 });
  t.match(entries[4], { status: 400, outcome: 'denied', method: '-', server: '' });
});

t.test('lines that nobody takes are counted', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const scene = await openScene(t, [backend.port], { accessLog: { format: 'json', write: () => false } });
  const client = await scene.client();
  client.send(get('/'));
  await client.expect(/ 200 [^]*ok/);
  await until(() => counted(scene.metrics, 'router_log_lines_dropped_total', {}) === 1);
});
