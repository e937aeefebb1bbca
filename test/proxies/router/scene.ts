// A router on a free port of loopback with backends of the test's own, for tests of traffic.

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { Test } from 'tap';
import { backendKey, type Backend } from '../../../src/cluster/index.ts';
import {
  bindTcp,
  createMetrics,
  seededRandom,
  silentLogger,
  systemClock,
  type Metrics,
} from '../../../src/runtime/index.ts';
import {
  createRouterFunction,
  createRouteView,
  type OptionsEntry,
  type RouteRecord,
  type RouterFunction,
  type RouterOptions,
  type ServiceEntry,
} from '../../../proxies/router/index.ts';
import { rawClient, type RawClient } from '../http1/raw-client.ts';
import { clusterOf } from './routed-apps.ts';

/** Speaks raw bytes: what is in it is what the test said. */
export interface RawBackend {
  readonly port: number;
  readonly sockets: Set<Socket>;
  /** Heads of requests as they came, in their order. */
  readonly heads: string[];
  readonly connections: number;
  stop(): Promise<void>;
}

/** What a backend does with each request; `body` is what came in one piece with the head. */
export type Behaviour = (socket: Socket, head: string, body: string) => void;

export const answering =
  (text: string): Behaviour =>
  (socket) =>
    void socket.write(`HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: ${text.length}\r\n\r\n${text}`);

export async function openBackend(t: Test, behaviour: Behaviour): Promise<RawBackend> {
  const sockets = new Set<Socket>();
  const heads: string[] = [];
  let connections = 0;
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => undefined);
    socket.on('end', () => socket.end());
    let pending = '';
    socket.on('data', (bytes) => {
      pending += bytes.toString('latin1');
      const end = pending.indexOf('\r\n\r\n');
      if (end < 0 || !/^[A-Z]+ .* HTTP\/1\.1\r\n/.test(pending)) return;
      const head = pending.slice(0, end + 4);
      const body = pending.slice(end + 4);
      pending = '';
      heads.push(head);
      behaviour(socket, head, body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const backend: RawBackend = {
    port: (server.address() as AddressInfo).port,
    sockets,
    heads,
    get connections() {
      return connections;
    },
    async stop() {
      if (!server.listening) return;
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
  t.teardown(() => backend.stop());
  return backend;
}

export interface Scene {
  readonly router: RouterFunction;
  readonly port: number;
  readonly metrics: Metrics;
  client(): Promise<RawClient>;
  /** Gives host a.example these backends; draining ones take no new requests. */
  serve(ports: readonly number[], draining?: readonly number[]): void;
  /** What is done to requests of a.example, and how its backends are called, besides what is said nowhere. */
  treat(options: Partial<OptionsEntry>): void;
  call(service: Partial<ServiceEntry>): void;
  /** Further records; resolves when they are in force. */
  apply(set: readonly (readonly [string, RouteRecord])[], removed?: readonly string[]): Promise<void>;
}

export async function openScene(
  t: Test,
  ports: readonly number[],
  options: Partial<RouterOptions> = {},
): Promise<Scene> {
  const listener = bindTcp('127.0.0.1', 0);
  const metrics = createMetrics();
  const router = createRouterFunction({
    http: [listener],
    clock: systemClock,
    random: seededRandom(1),
    log: silentLogger,
    metrics,
    ...options,
  });
  const view = createRouteView({ staticRoutes: [{ host: 'a.example', to: ['http://127.0.0.1:1'] }] });
  view.rebuild(clusterOf([]));
  await router.plane.replace(new Map([...view.table, setOf(ports, [])]));
  await router.start();
  t.teardown(() => router.stop());
  const apply: Scene['apply'] = async (set, removed = []) =>
    void (await router.plane.apply({ set, removed }, new Map(view.table)));
  return {
    router,
    port: listener.port,
    metrics,
    async client() {
      const client = await rawClient(listener.port, (pattern) => t.pass(String(pattern)));
      t.teardown(() => client.close());
      return client;
    },
    serve: (up, draining = []) =>
      void router.plane.apply({ set: [setOf(up, draining)], removed: [] }, new Map(view.table)),
    treat: (more) => void apply([['options:static:0', { kind: 'options', id: 'static:0', ...more }]]),
    call: (more) => void apply([['service:static:0', { ...plainService, ...more }]]),
    apply,
  };
}

const plainService: ServiceEntry = { kind: 'service', id: 'static:0', name: 'a_web_10000', appIds: [], mode: 'http' };

/** What the backend of `a.example` got, without what every request has. */
export const get = (path: string, ...fields: readonly string[]): string =>
  `${[`GET ${path} HTTP/1.1`, 'Host: a.example', ...fields].join('\r\n')}\r\n\r\n`;

function setOf(up: readonly number[], draining: readonly number[]): readonly [string, RouteRecord] {
  const backends = [...up.map((port) => backendAt(port, 'up')), ...draining.map((port) => backendAt(port, 'draining'))];
  return ['set:static:0', { kind: 'set', id: 'static:0', backends, lastResort: false }];
}

function backendAt(port: number, state: Backend['state']): Backend {
  const key = backendKey('127.0.0.1', port);
  return { key, ip: '127.0.0.1', port, task: null, weight: state === 'up' ? 1 : 0, state, zone: null };
}

/** Value of a counter, 0 where it has none. */
export function counted(metrics: Metrics, name: string, labels: Readonly<Record<string, string>>): number {
  const family = metrics.read().find((metric) => metric.name === `isthmus_${name}`);
  const same = (other: Readonly<Record<string, string | number>>): boolean =>
    Object.entries(labels).every(([key, value]) => other[key] === value);
  return family?.values.find((value) => same(value.labels))?.value ?? 0;
}

/** Resolves when `holds` does; looks at every turn of the loop. */
export async function until(holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 15_000; !holds();) {
    if (Date.now() > deadline) throw new Error('it did not come to that within 15 s');
    await new Promise((resolve) => setImmediate(resolve));
  }
}
