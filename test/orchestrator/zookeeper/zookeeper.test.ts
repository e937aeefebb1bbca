// Masters by a real ZooKeeper of three servers: leader changes, sessions that expire, one server gone, and all of them.

import t from 'tap';
import { createFakeCluster, startFakeMasters } from '../../../src/fakes/index.ts';
import { createMesosOrchestrator } from '../../../src/orchestrator/index.ts';
import { needs } from '../../needs.ts';
import { follow, surroundings } from '../harness.ts';
import { quick } from '../mesos/scene.ts';
import { startEnsemble } from './ensemble.ts';
import { announce } from './writer.ts';

t.setTimeout(180_000);

t.test('masters by ZooKeeper', { skip: needs('java', 'zookeeper') }, async (t) => {
  const ensemble = await startEnsemble(t.testdir());
  t.teardown(() => ensemble.close());
  const cluster = createFakeCluster({ seed: 1 });
  const agent = cluster.addAgent();
  const framework = cluster.addFramework({ name: 'marathon' });
  const launch = (name: string): string => cluster.launch({ framework, name, agent, network: { mode: 'host' } });
  const first = launch('first');
  const masters = await startFakeMasters(cluster, { count: 3, heartbeatMs: 100 });
  const [a, b] = ensemble.servers;
  if (a === undefined || b === undefined) throw new Error('no servers');
  const zookeeper = { servers: ensemble.servers, path: '/mesos', digest: 'reader:secret' };
  const followed = follow(createMesosOrchestrator({ masters: [], zookeeper, limits: quick, ...surroundings() }));
  t.teardown(async () => {
    await followed.stop();
    await masters.close();
    await cluster.close();
  });
  const isLive = (): boolean => followed.snapshot.sources.get('mesos')?.state === 'live';

  await followed.until('that nobody is known', () => followed.snapshot.sources.get('mesos')?.state === 'lost');
  const leader = await announce(a, '/mesos', masters.url(0));
  const second = await announce(b, '/mesos', masters.url(1));
  await followed.until('the leader of a path that came late', () => followed.task(first) !== undefined);
  t.equal(masters.subscribers(0), 1);
  await followed.until('both candidates', () => followed.snapshot.masters.all.length >= 1);

  await t.test('another leader', async (t) => {
    await leader.close();
    await masters.kill(0);
    masters.lead(1);
    await followed.until('its stream', () => masters.subscribers(1) === 1 && isLive());
    t.ok(followed.task(first));
  });

  await t.test('its session expires', async (own) => {
    const third = await announce(b, '/mesos', masters.url(2));
    t.teardown(() => third.fallSilent());
    second.fallSilent();
    await masters.kill(1);
    masters.lead(2);
    await followed.until('the next in line', () => masters.subscribers(2) === 1 && isLive());
    own.ok(followed.task(first), 'nothing is missing meanwhile');
  });

  await t.test('one of three servers is gone', async (t) => {
    await ensemble.kill(0);
    const next = launch('next');
    await followed.until('what the stream says', () => followed.task(next) !== undefined);
    const fresh = follow(createMesosOrchestrator({ masters: [], zookeeper, limits: quick, ...surroundings() }));
    t.teardown(() => fresh.stop());
    await fresh.until('the others name the leader', () => fresh.task(next) !== undefined);
    t.ok(followed.task(first));
  });

  await t.test('all of them are gone: a stream that lives is kept', async (t) => {
    await Promise.all([1, 2].map((index) => ensemble.kill(index)));
    const last = launch('last');
    await followed.until('what the stream says', () => followed.task(last) !== undefined);
    masters.disturb(2, 'reset');
    await followed.until('the master that was named last', () => masters.subscribers(2) > 0 && isLive());
    t.ok(followed.task(first));
  });
});
