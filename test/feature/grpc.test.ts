// gRPC through the daemon as its users have it: client and server are grpc-js, the front is TLS or in the clear, the back ends say by
// label that they speak HTTP/2.

import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  credentials,
  makeClientConstructor,
  Metadata,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientWritableStream,
  type ClientUnaryCall,
  type ServiceError,
} from '@grpc/grpc-js';
import t, { type Test } from 'tap';
import { bindTcp } from '../../src/runtime/index.ts';
import { testAuthority } from '../certs/authority.ts';
import { eventually } from './cluster.ts';
import { startDaemon } from './daemon.ts';
import { echoService, startGrpcApp, type GrpcApp } from './grpc-app.ts';

t.setTimeout(180_000);

type Done = (error: ServiceError | null, octets?: Buffer) => void;
interface Options {
  readonly deadline?: number;
}

interface EchoClient {
  unary(octets: Buffer, metadata: Metadata, options: Options, done: Done): ClientUnaryCall;
  never(octets: Buffer, metadata: Metadata, options: Options, done: Done): ClientUnaryCall;
  fails(octets: Buffer, metadata: Metadata, options: Options, done: Done): ClientUnaryCall;
  collect(metadata: Metadata, options: Options, done: Done): ClientWritableStream<Buffer>;
  count(octets: Buffer, metadata: Metadata): ClientReadableStream<Buffer>;
  talk(metadata: Metadata): ClientDuplexStream<Buffer, Buffer>;
  close(): void;
}

const ca = testAuthority();

/** As Marathon's /v2/apps with its tasks shows one. */
const appOf = (name: string, index: number, labels: Readonly<Record<string, string>>, port: number): unknown => ({
  id: `/${name}`,
  instances: 1,
  labels: { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: `${name}.example`, ...labels },
  networks: [{ mode: 'host' }],
  portDefinitions: [{ port: 10_000 + index, protocol: 'tcp', name: 'grpc' }],
  tasks: [
    {
      id: `${name}.9030bea3-1111-4222-8333-444455556666`,
      appId: `/${name}`,
      host: 'localhost',
      ports: [port],
      slaveId: 'agents-S1',
      state: 'TASK_RUNNING',
      startedAt: '2026-11-21T10:00:00.000Z',
      version: '2026-11-21T09:59:00.000Z',
    },
  ],
});

const none = new Metadata();

const happens = (what: string, holds: () => boolean): Promise<boolean> =>
  eventually(
    what,
    20_000,
    async () => holds(),
    (held) => held,
  );

/** Of a unary call. */
function outcome(
  call: (done: Done) => void,
): Promise<{ readonly error: ServiceError | null; readonly octets: Buffer }> {
  return new Promise((resolve) => call((error, octets = Buffer.alloc(0)) => resolve({ error, octets })));
}

async function kinds(t: Test, client: EchoClient): Promise<void> {
  await t.test('unary, with metadata both ways', async (t) => {
    const metadata = new Metadata();
    metadata.set('x-own', 'mine');
    let call: ClientUnaryCall | null = null;
    const seen: Metadata[] = [];
    const answer = outcome((done) => {
      call = client.unary(Buffer.from('hello'), metadata, {}, done);
      call.on('metadata', (head: Metadata) => seen.push(head));
      call.on('status', ({ metadata: trailers }: { metadata: Metadata }) => seen.push(trailers));
    });
    const { error, octets } = await answer;
    t.equal(error, null);
    t.equal(octets.toString(), 'hello');
    await happens('head and trailers', () => seen.length === 2);
    t.strictSame(seen[0]?.get('x-seen'), ['mine']);
    t.strictSame(seen[1]?.get('x-sum-bin'), [Buffer.from([0, 255])]);
  });
  await t.test('a message of three megabytes', async (t) => {
    const message = Buffer.alloc(3_000_000, 'm');
    const { error, octets } = await outcome((done) => client.unary(message, none, {}, done));
    t.equal(error, null);
    t.ok(octets.equals(message));
  });
  await t.test('a stream of the client', async (t) => {
    const { octets } = await outcome((done) => {
      const call = client.collect(none, {}, done);
      for (let i = 0; i < 300; i++) call.write(Buffer.alloc(1_000));
      call.end();
    });
    t.equal(octets.toString(), '300000');
  });
  await t.test('a stream of the server', async (t) => {
    let messages = 0;
    for await (const octets of client.count(Buffer.from('300'), none) as AsyncIterable<Buffer>)
      if (octets.toString().trim() === String(messages)) messages++;
    t.equal(messages, 300);
  });
  await t.test('both at once: each message is there before the next is sent', async (t) => {
    const call = client.talk(none);
    for (let i = 0; i < 20; i++) {
      call.write(Buffer.from(`message ${i}`));
      const [octets] = (await once(call, 'data')) as [Buffer];
      if (octets.toString() !== `message ${i}`) t.fail(octets.toString());
    }
    call.end();
    call.resume();
    const [status] = (await once(call, 'status')) as [{ code: number }];
    t.equal(status.code, 0);
  });
  await t.test('an error of the server arrives as it is', async (t) => {
    const { error } = await outcome((done) => client.fails(Buffer.alloc(0), none, {}, done));
    t.equal(error?.code, 9);
    t.equal(error?.details, 'as it should: ü');
  });
}

async function ends(t: Test, client: EchoClient, app: GrpcApp): Promise<void> {
  await t.test('a deadline is passed on, and its end cancels the call', async (t) => {
    const before = { left: app.leftMs.length, cancelled: app.cancelled.length };
    const options = { deadline: Date.now() + 1_500 };
    const { error } = await outcome((done) => client.never(Buffer.alloc(0), none, options, done));
    t.equal(error?.code, 4);
    t.ok(Number.isFinite(app.leftMs[before.left]), `${app.leftMs[before.left]} ms left`);
    await happens('the call is cancelled', () => app.cancelled.length > before.cancelled);
  });
  await t.test('a client that cancels is heard by the server', async (t) => {
    const before = app.cancelled.length;
    const call = client.talk(none);
    const over = once(call, 'error') as Promise<[ServiceError]>;
    call.write(Buffer.from('x'));
    await once(call, 'data');
    call.cancel();
    t.equal((await over)[0].code, 1);
    await happens('the call is cancelled', () => app.cancelled.length > before);
  });
}

for (const workers of [0, 1]) {
  t.test(`workers: ${workers}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'isthmus-grpc-'));
    mkdirSync(join(folder, 'certs'));
    const names = [
      'plain.example',
      'traefik.example',
      'secure.example',
      'slow.example',
      'gone.example',
      'locked.example',
    ];
    const leaf = ca.issue([...names, 'nobody.example']);
    writeFileSync(join(folder, 'certs', 'a.pem'), `${leaf.certificate}${leaf.key}`);
    const plain = await startGrpcApp(null);
    const secure = await startGrpcApp({ key: leaf.key, cert: leaf.certificate });
    // Bound, so that nobody else gets the port, and yet refused.
    const gone = bindTcp('127.0.0.1', 0);
    const h2c = { ISTHMUS_0_PROTOCOL: 'h2c' };
    const apps = [
      appOf('plain', 0, h2c, plain.port),
      appOf(
        'traefik',
        1,
        { 'traefik.enable': 'true', 'traefik.protocol': 'h2c', 'traefik.frontend.rule': 'Host:traefik.example' },
        plain.port,
      ),
      appOf(
        'secure',
        2,
        { HAPROXY_0_BACKEND_SERVER_OPTIONS: '  server {serverName} {host_ipv4}:{port} ssl verify none alpn h2\n' },
        secure.port,
      ),
      appOf('slow', 3, { ...h2c, ISTHMUS_0_TIMEOUT: '500ms' }, plain.port),
      appOf('gone', 4, h2c, gone.port),
      appOf(
        'locked',
        5,
        {
          ...h2c,
          HAPROXY_0_AUTH:
            'inside:eva:$6$abcdefgh$msgktWxVAbjjh3X7lA5LaM7dS/ZfABJL6T4qcRsnjcOTj0kptUvZcrvrXIoO5fgPA9xz6UnF2To2Y7jGc/IZY/',
        },
        plain.port,
      ),
    ];
    writeFileSync(join(folder, 'apps.json'), JSON.stringify({ apps }));
    const daemon = await startDaemon(`
cluster: [{ file: { path: "${folder}/apps.json", name: marathon } }]
router:
  http: ["127.0.0.1:0"]
  https: ["127.0.0.1:0"]
  h2c: true
  groups: [external]
  traefik: {}
health: { checks: false }
certs: [{ directory: "${folder}/certs" }]
admin: { listen: "127.0.0.1:0" }
workers: ${workers}
`);
    const clients: EchoClient[] = [];
    t.teardown(async () => {
      for (const client of clients) client.close();
      await daemon.stop();
      gone.close();
      plain.close();
      secure.close();
      rmSync(folder, { recursive: true, force: true });
    });
    const Client = makeClientConstructor(echoService, 'Echo');
    const clientOf = (host: string, isSecure: boolean): EchoClient => {
      const own = isSecure ? credentials.createSsl(Buffer.from(ca.certificate)) : credentials.createInsecure();
      const client = new Client(daemon.address(isSecure ? 'router.https' : 'router.http'), own, {
        'grpc.default_authority': host,
        ...(isSecure ? { 'grpc.ssl_target_name_override': host } : {}),
      }) as unknown as EchoClient;
      clients.push(client);
      return client;
    };
    for (const isSecure of [false, true])
      await t.test(isSecure ? 'a front of TLS' : 'a front in the clear', async (t) => {
        await kinds(t, clientOf('plain.example', isSecure));
        await ends(t, clientOf('plain.example', isSecure), plain);
      });
    await t.test('a back end of TLS, told by words of HAProxy', (t) => kinds(t, clientOf('secure.example', false)));
    await t.test("Traefik's label", async (t) => {
      const { octets } = await outcome((done) =>
        clientOf('traefik.example', false).unary(Buffer.from('t'), none, {}, done),
      );
      t.equal(octets.toString(), 't');
    });
    await t.test("errors of the router are gRPC's", async (t) => {
      const ask = async (host: string, method: 'unary' | 'never'): Promise<ServiceError | null> =>
        (await outcome((done) => clientOf(host, false)[method](Buffer.from('x'), none, {}, done))).error;
      const late = await ask('slow.example', 'never');
      t.equal(late?.code, 4);
      t.match(late?.details, /in time/);
      t.equal((await ask('gone.example', 'unary'))?.code, 14);
      t.equal((await ask('nobody.example', 'unary'))?.code, 12);
      t.equal((await ask('locked.example', 'unary'))?.code, 16);
    });
  });
}
