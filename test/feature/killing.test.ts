// A task that is being killed gets no new connection and loses none that it has, through the router and through its VIP.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t from 'tap';
import { ask, askForever, eventually, startCluster, startDaemonOn, webApp } from './cluster.ts';

t.setTimeout(60_000);

interface Stream {
  readonly socket: Socket;
  readonly seen: { text: string; ended: boolean };
}

/** A server-sent stream, which lasts until its task ends. */
async function openStream(address: string): Promise<Stream> {
  const [host = '', port = ''] = address.split(':');
  const socket = connect({ host, port: Number(port) });
  const seen = { text: '', ended: false };
  socket.on('data', (bytes: Buffer) => (seen.text += bytes.toString('latin1')));
  socket.on('end', () => (seen.ended = true));
  socket.on('error', () => undefined);
  socket.write('GET /sse HTTP/1.1\r\nHost: shop.example\r\n\r\n');
  await once(socket, 'data');
  return { socket, seen };
}

for (const workers of [0, 2]) {
  t.test(`with workers: ${workers}`, async (t) => {
    const test = await startCluster();
    t.teardown(() => test.close());
    const app: object = webApp();
    await test.marathon.deploy({ ...app, taskKillGracePeriodSeconds: 3 } as never);
    const daemon = await startDaemonOn(test, workers);
    t.teardown(() => daemon.stop('SIGINT'));
    const [row] = await daemon.json<{ ips: string[]; port: number }[]>('/v1/vips');
    const addresses = [daemon.address('router.http'), `${row?.ips[0] ?? ''}:${row?.port ?? 0}`];

    const streams = await Promise.all(addresses.flatMap((at) => [openStream(at), openStream(at), openStream(at)]));
    t.teardown(() => streams.forEach(({ socket }) => socket.destroy()));
    const victim = /x-task: (\S+)/i.exec(streams[0]?.seen.text ?? '')?.[1] ?? '';
    const ofVictim = streams.filter(({ seen }) => seen.text.includes(victim));

    const answers: string[] = [];
    const loops = addresses.map((address) =>
      askForever(async () => {
        const answer = await ask(address, 'shop.example');
        answers.push(answer.body);
        return answer;
      }),
    );
    const killed = test.marathon.killTask(victim);
    await eventually(
      'the route',
      2_000,
      () => daemon.get('/v1/routes'),
      (text) => text.includes('draining'),
    );
    await eventually(
      'the VIP',
      2_000,
      () => daemon.get('/v1/vips'),
      (text) => text.includes('weight=0'),
    );
    // Workers hear of it a little later than control shows it, and a request of before may still be under way.
    await eventually(
      'workers',
      2_000,
      () => daemon.json<{ version: number; workers: { appliedVersion: number }[] }>('/v1/status'),
      ({ version, workers }) => workers.every((worker) => worker.appliedVersion >= version),
    );
    const heard = answers.length;
    await eventually(
      'requests',
      2_000,
      () => Promise.resolve(answers.length - heard),
      (count) => count > 10,
    );
    answers.length = 0;
    const before = answers.length;
    await eventually(
      'requests',
      5_000,
      async () => answers.length - before,
      (count) => count > 100,
    );
    t.notOk(
      answers.some((body) => body.includes(victim)),
      'no new request',
    );
    t.ok(ofVictim.length > 0 && ofVictim.every(({ seen }) => !seen.ended), 'its streams go on');
    await killed;
    for (const { socket } of streams) socket.destroy();
    for (const loop of loops) t.same(await loop.stop(), [], 'not one failed');
  });
}
