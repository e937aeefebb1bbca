// Clients of HTTP/2 as people have them, through the daemon to a backend of HTTP/1: curl, nghttp, h2load, node:http2 and Chromium, with bodies
// both ways and WebSockets over streams.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type IncomingHttpHeaders } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { testAuthority } from '../certs/authority.ts';
import { needs } from '../needs.ts';
import { startBrowser } from './chromium-page.ts';
import { eventually } from './cluster.ts';
import { startDaemon } from './daemon.ts';

const run = promisify(execFile);
const patience = { timeout: 60_000, maxBuffer: 64 * 1024 * 1024 };
t.setTimeout(110_000);

const largeBytes = 3_000_000;
/** The load of the page ends when the WebSocket has had its say; then it tells what it was loaded by. */
const page = `<p>page</p><script>
  const socket = new WebSocket('wss://' + location.host + '/ws');
  socket.onmessage = ({ data }) => { document.body.append(data); socket.send('heard ' + data); };
</script><script src="/late.js"></script>`;
const late = `document.body.append(' by ' + performance.getEntriesByType('navigation')[0].nextHopProtocol);`;

/** What waits for the first message of a WebSocket's client. */
let release: (() => void) | null = null;
const said: string[] = [];

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { url } = request;
  if (url === '/large') response.end(Buffer.alloc(largeBytes, 'x'));
  else if (url === '/page') response.writeHead(200, { 'content-type': 'text/html' }).end(page);
  else if (url === '/late.js') {
    release = () => response.writeHead(200, { 'content-type': 'text/javascript' }).end(late);
    if (said.length > 0) release();
  } else {
    let bytes = 0;
    request.on('data', (part: Buffer) => (bytes += part.length));
    request.on('end', () => response.end(`${request.method ?? ''} ${bytes}`));
  }
}

/** A WebSocket that says `hello` and hears one short message (RFC 6455 §5.2). */
function upgrade(request: IncomingMessage, socket: Socket): void {
  const key = `${request.headers['sec-websocket-key'] ?? ''}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
  const accept = createHash('sha1').update(key).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  socket.write(Buffer.concat([Buffer.from([0x81, 5]), Buffer.from('hello')]));
  let heard = Buffer.alloc(0);
  socket.on('error', () => undefined);
  socket.on('data', (part: Buffer) => {
    heard = Buffer.concat([heard, part]);
    const length = (heard[1] ?? 0) & 0x7f;
    if (heard.length < 6 + length) return;
    const mask = heard.subarray(2, 6);
    const text = Buffer.from(heard.subarray(6, 6 + length)).map((octet, i) => octet ^ (mask[i % 4] as number));
    said.push(Buffer.from(text).toString());
    heard = heard.subarray(6 + length);
    release?.();
  });
}

const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-h2-clients-'));
const ca = testAuthority();
const leaf = ca.issue(['a.example']);
mkdirSync(join(folder, 'certs'));
writeFileSync(join(folder, 'certs', 'a.pem'), `${leaf.certificate}${leaf.key}`);
writeFileSync(join(folder, 'ca.pem'), ca.certificate);
writeFileSync(join(folder, 'body'), Buffer.alloc(largeBytes, 'y'));
writeFileSync(join(folder, 'cluster.json'), '{"id":"m","pid":"master@127.0.0.1:5050","frameworks":[],"slaves":[]}');
const backend = createServer(answer).on('upgrade', upgrade);
backend.listen(0, '127.0.0.1');
await once(backend, 'listening');
const daemon = await startDaemon(`
cluster: [{ file: { path: "${folder}/cluster.json" } }]
router:
  http: ["127.0.0.1:0"]
  https: ["127.0.0.1:0"]
  h2c: true
  routes: [{ host: a.example, to: ["http://127.0.0.1:${(backend.address() as AddressInfo).port}"] }]
  accessLog: { path: "${folder}/access.log" }
certs: [{ directory: "${folder}/certs" }]
admin: { listen: "127.0.0.1:0" }
store: { dir: "${folder}/store" }
workers: 1
`);
t.teardown(async () => {
  await daemon.stop();
  backend.close();
  backend.closeAllConnections();
  rmSync(folder, { recursive: true, force: true });
});
const port = daemon.port('router.https');
const plainPort = daemon.port('router.http');
const site = `https://a.example:${port}`;

/** The protocol of the last request to `path`, by the log; of a client that calls itself `agent`. */
const loggedAs = (path: string, agent = ''): Promise<string> =>
  eventually(
    `the log of ${path}`,
    30_000,
    () => {
      const lines = readFileSync(join(folder, 'access.log'), 'utf8').trim().split('\n');
      const found = lines.filter((line) => line.includes(`"${path}"`) && line.includes(agent)).at(-1);
      return Promise.resolve(found === undefined ? '' : (/"protocol":"([^"]+)"/.exec(found)?.[1] ?? ''));
    },
    (protocol) => protocol !== '',
  );

t.test('curl', { skip: needs('curl') }, async (t) => {
  const told = ['-sS', '-w', ' %{http_version} %{http_code}', '--max-time', '50'];
  const resolve = ['--cacert', join(folder, 'ca.pem'), '--resolve', `a.example:${port}:127.0.0.1`];
  const large = await run('curl', [...told, ...resolve, '--http2', `${site}/large`], patience);
  t.equal(large.stdout.length, largeBytes + ' 2 200'.length);
  t.ok(large.stdout.endsWith('x 2 200'));
  const upload = ['--data-binary', `@${join(folder, 'body')}`, '--http2', `${site}/upload`];
  t.equal((await run('curl', [...told, ...resolve, ...upload], patience)).stdout, `POST ${largeBytes} 2 200`);
  const clear = ['--http2-prior-knowledge', '-H', 'host: a.example', `http://127.0.0.1:${plainPort}/`];
  t.equal((await run('curl', [...told, ...clear], patience)).stdout, 'GET 0 2 200');
  t.equal(await loggedAs('/upload'), 'HTTP/2');
});

t.test('nghttp and h2load', { skip: needs('nghttp', 'h2load') }, async (t) => {
  const authority = ['-H', ':authority: a.example'];
  const asked = [`https://127.0.0.1:${port}/`, `https://127.0.0.1:${port}/large`];
  const { stdout } = await run('nghttp', ['-nv', '--no-verify-peer', ...authority, ...asked], patience);
  t.match(stdout, /The negotiated protocol: h2/);
  t.equal(stdout.match(/:status: 200/g)?.length, 2);
  t.notMatch(stdout, /GOAWAY.*\n.*error_code=(?!NO_ERROR)/);
  const upload = ['-n', '-s', '--no-verify-peer', '-d', join(folder, 'body'), ...authority, asked[0] ?? ''];
  t.match((await run('nghttp', upload, patience)).stdout, / 200 +\d+ +\/\n/);
  const load = ['-n', '300', '-c', '4', '-m', '20', ...authority, asked[0] ?? ''];
  t.match((await run('h2load', load, patience)).stdout, /300 succeeded, 0 failed/);
});

t.test('node:http2: streams in number, and a WebSocket over one', async (t) => {
  const session = connect(site, { ca: ca.certificate, lookup: (_host, options, done) => lookup(options, done) });
  t.teardown(() => session.destroy());
  await once(session, 'remoteSettings');
  const answers = await Promise.all(
    Array.from({ length: 80 }, async (_, i) => {
      const stream = session.request({ ':method': 'POST', ':path': `/${i}` });
      stream.end('z'.repeat(i * 100));
      let text = '';
      stream.on('data', (part: Buffer) => (text += part.toString()));
      await once(stream, 'end');
      return text;
    }),
  );
  t.strictSame(
    answers,
    answers.map((_, i) => `POST ${i * 100}`),
  );
  said.length = 0;
  const stream = session.request({
    ':method': 'CONNECT',
    ':protocol': 'websocket',
    ':path': '/ws',
    'sec-websocket-version': '13',
  });
  const [head] = (await once(stream, 'response')) as [IncomingHttpHeaders];
  t.equal(head[':status'], 200);
  const [hello] = (await once(stream, 'data')) as [Buffer];
  t.equal(hello.toString('latin1'), '\x81\x05hello');
  stream.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
  await eventually(
    'what the backend heard',
    30_000,
    () => Promise.resolve(said),
    (words) => words.includes('hi'),
  );
  stream.close();
});

t.test(
  'Chromium: a page, its script, and a WebSocket on the same connection',
  { skip: needs('chromium') },
  async (t) => {
    said.length = 0;
    release = null;
    const browser = await startBrowser();
    t.teardown(() => browser.close());
    const { text } = await browser.open(`${site}/page`);
    t.match(text, /^page\s+hello by h2$/);
    t.strictSame(said, ['heard hello']);
    t.equal(await loggedAs('/page'), 'HTTP/2');
  },
);

type Found = (error: null, address: string | { address: string; family: number }[], family?: number) => void;

const lookup = (options: { readonly all?: boolean | undefined }, done: Found): void =>
  options.all === true ? done(null, [{ address: '127.0.0.1', family: 4 }]) : done(null, '127.0.0.1', 4);
