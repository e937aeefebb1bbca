// A small cluster for tests of promises: three masters, two Marathons, apps on real small servers, and a daemon with every function.

import { Resolver } from 'node:dns/promises';
import { request } from 'node:http';
import {
  createFakeCluster,
  startFakeMarathon,
  startFakeMasters,
  type FakeCluster,
  type FakeMarathon,
  type FakeMasters,
} from '../../src/fakes/index.ts';
import { startDaemon, type RunningDaemon } from './daemon.ts';

export interface TestCluster {
  readonly cluster: FakeCluster;
  readonly masters: FakeMasters;
  readonly marathon: FakeMarathon;
  readonly contract: FakeMarathon;
  close(): Promise<void>;
}

/**
 * VIPs in the half of the cluster's own loopback block that its agents leave free. The fakes lock a block for each cluster: test files run
 * side by side, and a range by chance would sometimes be another's.
 */
export function vipRange(test: TestCluster): string {
  const block = (test.cluster.agents()[0]?.agent_info.hostname ?? '').split('.').slice(0, 2).join('.');
  return `${block}.128.0-${block}.250.255`;
}

export async function startCluster(): Promise<TestCluster> {
  const cluster = createFakeCluster({ workloads: 'inline' });
  for (const zone of ['a', 'b', 'a']) cluster.addAgent({ zone });
  const masters = await startFakeMasters(cluster, { count: 3 });
  const marathon = await startFakeMarathon(cluster, { name: 'marathon' });
  const contract = await startFakeMarathon(cluster, { name: 'marathon-contract', idStyle: 'legacy' });
  return {
    cluster,
    masters,
    marathon,
    contract,
    async close() {
      await Promise.all([marathon.close(), contract.close()]);
      await masters.close();
      await cluster.close();
    },
  };
}

export interface WebApp {
  readonly id?: string;
  readonly instances?: number;
  readonly host?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly vip?: string;
  readonly network?: 'bridge' | 'overlay';
}

/** An HTTP app as Marathon takes it. */
export function webApp(options: WebApp = {}): never {
  const {
    id = '/shop/web',
    instances = 2,
    host = 'shop.example',
    labels = {},
    vip = '/shop-web:8080',
    network = 'overlay',
  } = options;
  const mapping = { containerPort: 8080, name: 'http', protocol: 'tcp', labels: { VIP_0: vip } };
  const definition = {
    id,
    instances,
    labels: { HAPROXY_GROUP: 'external', HAPROXY_0_VHOST: host, ...labels },
    networks: [network === 'overlay' ? { mode: 'container', name: 'ovl-shop' } : { mode: 'container/bridge' }],
    container: {
      type: 'DOCKER',
      docker: { image: 'registry.example/web:1' },
      portMappings: [network === 'overlay' ? mapping : { ...mapping, hostPort: 0 }],
    },
    taskKillGracePeriodSeconds: 1,
  };
  return definition as never;
}

export async function startDaemonOn(test: TestCluster, workers: number, extra = ''): Promise<RunningDaemon> {
  const masters = test.masters.urls.map((url) => `"${url}"`).join(', ');
  return startDaemon(`
cluster:
  - mesos: { masters: [${masters}] }
  - marathon: { urls: ["${test.marathon.url}"], name: marathon }
  - marathon: { urls: ["${test.contract.url}"], name: marathon-contract }
dns: { listen: ["127.0.0.1:0"], http: "127.0.0.1:0", upstreams: ["127.0.0.1:9"] }
vips: { plane: user, range: "${vipRange(test)}", ipv6: false }
router: { http: ["127.0.0.1:0"], groups: [external] }
socks: { listen: ["127.0.0.1:0"], rules: [{ allow: { to: [cluster] } }] }
httpProxy: { listen: ["127.0.0.1:0"], rules: [{ allow: { to: [cluster] } }] }
admin: { listen: "127.0.0.1:0", token: test-token }
workers: ${workers}
${extra}`);
}

/** Asks the daemon's DNS; an empty list where the name is not there. */
export async function resolve4(daemon: RunningDaemon, name: string): Promise<readonly string[]> {
  const resolver = new Resolver({ timeout: 1_000, tries: 2 });
  resolver.setServers([daemon.address('dns')]);
  try {
    return (await resolver.resolve4(name)).sort();
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOTFOUND' || (error as { code?: string }).code === 'ENODATA') return [];
    throw error;
  }
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** One request on a connection of its own. */
export function ask(address: string, host: string, path = '/'): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const [hostname, port] = address.split(':');
    const call = request({ hostname, port, path, agent: false, headers: { host }, timeout: 5_000 }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
    });
    call.on('timeout', () => call.destroy(new Error(`${address} did not answer in time`)));
    call.on('error', reject);
    call.end();
  });
}

/** Waits until `look` says yes; gives up after `withinMs` and says what it saw last. */
export async function eventually<T>(
  what: string,
  withinMs: number,
  look: () => Promise<T>,
  accept: (seen: T) => boolean,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (accept(seen)) return seen;
    if (performance.now() > deadline) throw new Error(`${what}: still ${JSON.stringify(seen)} after ${withinMs} ms`);
    await new Promise((wake) => setTimeout(wake, 10));
  }
}

export interface Loop {
  /** Requests so far. */
  readonly count: () => number;
  /** Ends the loop and says what went wrong, one line a failed request. */
  stop(): Promise<readonly string[]>;
}

/** Requests one after another until it is stopped; whatever is not a 200 is a failure. */
export function askForever(request: () => Promise<HttpAnswer>): Loop {
  const failures: string[] = [];
  let count = 0;
  let stopped = false;
  const running = (async () => {
    while (!stopped) {
      try {
        const answer = await request();
        if (answer.status !== 200) failures.push(`${answer.status} ${answer.body.slice(0, 100)}`);
      } catch (error) {
        failures.push(String(error));
      }
      count++;
    }
  })();
  return {
    count: () => count,
    async stop() {
      stopped = true;
      await running;
      return failures;
    },
  };
}
