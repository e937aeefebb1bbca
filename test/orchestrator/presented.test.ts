// What we show and to whom: certificates of both sides towards masters and Marathons, and credentials that go along no redirect elsewhere.

import { createServer, request, type IncomingHttpHeaders } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import t, { type Test } from 'tap';
import { createFakeCluster, startFakeMarathon, startFakeMasters } from '../../src/fakes/index.ts';
import { createMarathonOrchestrator, createMesosOrchestrator } from '../../src/orchestrator/index.ts';
import type { Orchestrator } from '../../src/ports/index.ts';
import { testAuthority } from '../certs/authority.ts';
import { follow, surroundings } from './harness.ts';
import { quick } from './mesos/scene.ts';

/** Before `target`, with TLS: only who shows a certificate of `authority` gets through. Tells the names that were shown. */
async function startGate(t: Test, target: string, authority: ReturnType<typeof testAuthority>): Promise<Gate> {
  const { certificate, key } = authority.issue(['127.0.0.1']);
  const shown = new Set<string>();
  const options = { cert: certificate, key, ca: authority.certificate, requestCert: true, rejectUnauthorized: true };
  const server = createTlsServer(options, (question, answer) => {
    shown.add(String((question.socket as TLSSocket).getPeerCertificate().subject.CN));
    const { method = 'GET', url = '/', headers } = question;
    const onward = request(new URL(url, target), { method, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.on('error', () => answer.destroy());
      response.pipe(answer);
    });
    onward.on('error', () => answer.destroy());
    answer.on('close', () => onward.destroy());
    question.pipe(onward);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, shown };
}

interface Gate {
  readonly url: string;
  readonly shown: ReadonlySet<string>;
}

t.test('an authority of its own and a certificate of ours, towards masters and Marathons', async (t) => {
  const cluster = createFakeCluster({ seed: 1 });
  const agent = cluster.addAgent();
  const framework = cluster.addFramework({ name: 'f' });
  cluster.launch({ framework, name: 'first', agent, network: { mode: 'host' } });
  const masters = await startFakeMasters(cluster, { count: 1, heartbeatMs: 100 });
  const marathon = await startFakeMarathon(cluster, { name: 'marathon' });
  t.teardown(async () => {
    await marathon.close();
    await masters.close();
    await cluster.close();
  });
  const authority = testAuthority('cluster CA');
  const client = authority.issueClient('edge-one');
  const ours = { ca: authority.certificate, cert: client.certificate, key: client.key };
  const sources = {
    mesos: {
      gate: await startGate(t, masters.url(), authority),
      open: (url: string, tls: object): Orchestrator =>
        createMesosOrchestrator({ masters: [url], tls, limits: quick, ...surroundings() }),
    },
    marathon: {
      gate: await startGate(t, marathon.url, authority),
      open: (url: string, tls: object): Orchestrator =>
        createMarathonOrchestrator({ urls: [url], name: 'marathon', tls, ...surroundings() }),
    },
  };
  for (const [name, { gate, open }] of Object.entries(sources)) {
    const good = follow(open(gate.url, ours));
    await good.until(`the picture of ${name}`, (snapshot) => snapshot.synced);
    await good.stop();
    t.same([...gate.shown], ['edge-one']);
    const refused = {
      'an unknown authority': [{ cert: ours.cert, key: ours.key }, /self.signed|unable to|issuer/i],
      'no certificate': [{ ca: ours.ca }, /./],
    } as const;
    for (const [what, [tls, reason]] of Object.entries(refused)) {
      const bad = follow(open(gate.url, tls));
      await bad.until(`${name}: ${what}`, (snapshot) =>
        [...snapshot.sources.values()].some((source) => reason.test(source.reason ?? '')),
      );
      t.notOk(bad.snapshot.synced, `${name}: ${what}`);
      await bad.stop();
    }
    t.equal(gate.shown.size, 1, 'nobody else got through');
  }
});

t.test('credentials do not follow a redirect to somebody else', async (t) => {
  const cluster = createFakeCluster({ seed: 1 });
  const marathon = await startFakeMarathon(cluster, { name: 'marathon' });
  const foreign = await startServer(t, (headers) => void toForeign.push(headers), marathon.url);
  const toForeign: IncomingHttpHeaders[] = [];
  const toOurs: IncomingHttpHeaders[] = [];
  const ours = await startServer(t, (headers) => void toOurs.push(headers), foreign);
  const auth = { basic: { user: 'edge', password: 'pa-ss' } };
  const followed = follow(createMarathonOrchestrator({ urls: [ours], name: 'marathon', auth, ...surroundings() }));
  t.teardown(async () => {
    await followed.stop();
    await marathon.close();
    await cluster.close();
  });
  // One redirect is followed: it ends at the foreign server, which sends on.
  await followed.until('an answer', () => toForeign.length > 0);
  t.ok(toOurs.length > 0);
  t.ok(
    toOurs.every(({ authorization }) => authorization?.startsWith('Basic ')),
    'who was named gets them',
  );
  t.ok(
    toForeign.every(({ authorization }) => authorization === undefined),
    'who was not does not',
  );
});

/** Sends everybody to `to`. */
async function startServer(t: Test, heard: (headers: IncomingHttpHeaders) => void, to: string): Promise<string> {
  const server = createServer((question, answer) => {
    heard(question.headers);
    answer.writeHead(307, { location: new URL(question.url ?? '/', to).href }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
