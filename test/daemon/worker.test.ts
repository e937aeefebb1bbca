// Control and worker over a real unix socket: first tables, changes, a worker that lost track, a control that comes back.

import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { socketChannel } from '../../src/daemon/channel.ts';
import { createLedger, policyOf, type Ledger, type TryReport } from '../../lb/index.ts';
import { createLinks, type Links } from '../../src/daemon/links.ts';
import type { ControlMessage, TableName, WorkerMessage } from '../../src/daemon/message.ts';
import { FollowedTable, type AnyChange } from '../../src/daemon/tables.ts';
import { createWorker, type Worker } from '../../src/daemon/worker.ts';
import type { Plane, Table, TableLoad } from '../../src/ports/index.ts';
import { backend } from '../contracts/policy.ts';
import { createMetrics, OpenAddresses, silentLogger, systemClock } from '../../src/runtime/index.ts';

interface Recorded {
  readonly calls: string[];
  readonly plane: Plane<unknown>;
  failNext: boolean;
}

function recordingPlane(name: TableName, calls: string[], keepsRecords = false): Recorded {
  const recorded: Recorded = {
    calls,
    failNext: false,
    plane: {
      name,
      replace: (table: Table<unknown>) => void calls.push(`${name} replace ${[...table.keys()].sort().join(',')}`),
      apply(change) {
        if (recorded.failNext) {
          recorded.failNext = false;
          throw new Error('no');
        }
        calls.push(`${name} +${change.set.map(([key]) => key).join(',')} -${change.removed.join(',')}`);
      },
    },
  };
  if (!keepsRecords) return recorded;
  const load = (): TableLoad<unknown> => {
    const keys: string[] = [];
    return {
      take: (key) => void keys.push(key),
      finish: () => void calls.push(`${name} load ${keys.sort().join(',')}`),
    };
  };
  return Object.assign(recorded, { plane: { ...recorded.plane, load } });
}

interface Bench {
  readonly calls: string[];
  readonly planes: Record<'vips' | 'zone', Recorded>;
  readonly worker: Worker;
  readonly links: Links;
  readonly ledger: Ledger;
  /** What the worker told of tries. */
  readonly tries: TryReport[];
  /** The listeners that control knew of at each change since the first tables were in force. */
  readonly applied: readonly unknown[];
  readonly tables: Map<TableName, FollowedTable>;
  publish(changes: Partial<Record<TableName, AnyChange>>): void;
  whole(): void;
  connect(): void;
  until(condition: () => boolean): Promise<void>;
}

async function bench(t: Test): Promise<Bench> {
  const calls: string[] = [];
  const planes = { vips: recordingPlane('vips', calls), zone: recordingPlane('zone', calls, true) };
  const addresses = new OpenAddresses();
  const { replace } = planes.vips.plane;
  planes.vips.plane.replace = (table) => {
    void replace(table);
    addresses.add(calls.at(-1) ?? '', '127.0.0.1:1');
  };
  let started = 0;
  const ledger = createLedger();
  const tries: TryReport[] = [];
  const applied: unknown[] = [];
  const worker = createWorker({
    functions: [
      {
        traffic: {
          name: 'dns',
          start: async () => void started++,
          drain: () => Promise.resolve(),
          stop: () => Promise.resolve(),
        },
        listeners: { key: 'vips.user', addresses },
        drainMs: 1_000,
        problems: () => [],
      },
    ],
    planes: [planes.vips.plane, planes.zone.plane],
    ledger,
    slot: 3,
    generation: 1,
    edition: 1,
    clock: systemClock,
    random: () => 0.5,
    log: silentLogger,
    metrics: createMetrics(),
    reopenLogs: () => undefined,
    onBusy: () => undefined,
  });
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-test-'));
  const path = join(directory, 'worker.sock');
  const server: Server = createServer((socket) => worker.attach(socketChannel<WorkerMessage, ControlMessage>(socket)));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const tables = new Map<TableName, FollowedTable>([
    ['vips', new FollowedTable()],
    ['zone', new FollowedTable()],
  ]);
  let version = -1;
  let wake: () => void = () => undefined;
  const links = createLinks({
    published: () => (version < 0 ? null : { version, tables }),
    generation: 1,
    clock: systemClock,
    log: silentLogger,
    onChange: () => {
      const [state] = links.states();
      if (state?.appliedVersion === 0) applied.push(state.report?.listeners);
      wake();
    },
    onTries: (reports) => {
      tries.push(...reports);
      wake();
    },
  });
  t.teardown(async () => {
    links.close();
    await worker.stop();
    server.close();
    rmSync(directory, { recursive: true });
  });
  return {
    calls,
    planes,
    worker,
    links,
    ledger,
    tries,
    applied,
    tables,
    publish(changes) {
      for (const [name, change] of Object.entries(changes)) tables.get(name as TableName)?.apply(change);
      version++;
      links.publish(version - 1, changes);
    },
    whole() {
      version = 0;
      links.publishWhole();
      links.start();
    },
    connect() {
      const socket = connect(path);
      socket.once('connect', () => links.add(socketChannel(socket)));
    },
    async until(condition) {
      while (!condition()) await new Promise<void>((resolve) => (wake = resolve));
    },
  };
}

t.test('a worker gets the tables, starts once, and follows changes in the right order', async (t) => {
  const b = await bench(t);
  b.tables.get('vips')?.apply({ set: [['v1', { port: 80 }]], removed: [] });
  b.tables.get('zone')?.apply({
    set: [
      ['n1', { ip: 'x' }],
      ['n0', {}],
    ],
    removed: [],
  });
  b.connect();
  await b.until(() => b.links.states().length === 1);
  b.whole();
  await b.until(() => b.links.states()[0]?.appliedVersion === 0 && b.links.states()[0]?.report !== null);
  t.same(b.calls.splice(0), ['vips replace v1', 'zone load n0,n1'], 'addresses before names');
  const [state] = b.links.states();
  t.match(state, { slot: 3, generation: 1, pid: process.pid, report: { serving: ['dns'], problems: [] } });
});

t.test('what listens by the first tables is told before they are said to be in force', async (t) => {
  const b = await bench(t);
  b.tables.get('vips')?.apply({ set: [['v1', { port: 80 }]], removed: [] });
  b.connect();
  await b.until(() => b.links.states().length === 1);
  b.links.start();
  await b.until(() => b.links.states()[0]?.report !== null);
  b.whole();
  await b.until(() => b.links.states()[0]?.appliedVersion === 0);
  t.same(b.applied[0], { 'vips.user': { 'vips replace v1': '127.0.0.1:1' } });
});

t.test('planes get the first tables that agree, where the very first do not', async (t) => {
  const b = await bench(t);
  b.tables.get('vips')?.apply({ set: [['v1', { port: 80 }]], removed: [] });
  b.tables.get('zone')?.apply({ set: [['n1', {}]], removed: [] });
  const zone = b.tables.get('zone') as FollowedTable;
  const rightly = zone.hashAt.bind(zone);
  let isWrong = true;
  zone.hashAt = (key, record) => {
    const hash = rightly(key, record) + (isWrong ? 1 : 0);
    isWrong = false;
    return hash;
  };
  b.connect();
  await b.until(() => b.links.states().length === 1);
  b.whole();
  await b.until(() => b.links.states()[0]?.appliedVersion === 0);
  t.same(b.calls, ['vips replace v1', 'zone load n1']);
});

async function running(t: Test): Promise<Bench> {
  const b = await bench(t);
  b.tables.get('vips')?.apply({ set: [['v1', { port: 80 }]], removed: [] });
  b.tables.get('zone')?.apply({ set: [['n1', {}]], removed: [] });
  b.connect();
  await b.until(() => b.links.states().length === 1);
  b.whole();
  await b.until(() => b.links.states()[0]?.appliedVersion === 0);
  b.calls.splice(0);
  return b;
}

t.test('names vanish before their addresses and come after them', async (t) => {
  const b = await running(t);
  b.publish({ zone: { set: [['n2', {}]], removed: ['n1'] }, vips: { set: [['v2', {}]], removed: ['v1'] } });
  await b.until(() => b.links.states()[0]?.appliedVersion === 1);
  t.same(b.calls, ['zone + -n1', 'vips +v2 -v1', 'zone +n2 -']);
});

t.test('a worker whose tables differ gets everything again', async (t) => {
  const b = await running(t);
  // Control's own table runs ahead of what it tells: the hashes cannot agree.
  b.tables.get('zone')?.apply({ set: [['untold', {}]], removed: [] });
  b.publish({ vips: { set: [['v2', {}]], removed: [] } });
  await b.until(() => b.links.states()[0]?.appliedVersion === 1);
  t.match(b.calls.join(' '), /zone \+.*untold/, 'the missing row arrived');
});

t.test('a plane that fails is given everything again, and its neighbour is not held up', async (t) => {
  const b = await running(t);
  b.planes.vips.failNext = true;
  b.publish({ vips: { set: [['v2', {}]], removed: [] }, zone: { set: [['n2', {}]], removed: [] } });
  await b.until(() => b.links.states()[0]?.appliedVersion === 1);
  t.ok(b.calls.includes('zone +n2 -'), 'the zone went on');
  await b.until(
    () => (b.links.states()[0]?.report?.problems.length ?? 1) === 0 && b.calls.includes('vips replace v1,v2'),
  );
  t.pass('the plane was written again as a whole');
});

t.test('a plane that alone keeps its records is given them again by control', async (t) => {
  const b = await running(t);
  b.planes.zone.failNext = true;
  b.publish({ zone: { set: [['n2', {}]], removed: [] } });
  await b.until(() => b.calls.includes('zone load n1,n2') && b.links.states()[0]?.report?.problems.length === 0);
  b.calls.splice(0);
  b.publish({ zone: { set: [], removed: ['n1'] } });
  await b.until(() => b.links.states()[0]?.appliedVersion === 2);
  t.same(b.calls, ['zone + -n1'], 'and follows on from there');
});

t.test('control that dies and comes back finds the worker serving', async (t) => {
  const b = await running(t);
  b.links.close();
  await b.until(() => b.links.states().length === 0);
  b.tables.get('vips')?.apply({ set: [['v9', {}]], removed: ['v1'] });
  b.connect();
  await b.until(() => b.links.states()[0]?.report !== null && b.links.states()[0]?.appliedVersion === 0);
  t.ok(
    b.calls.some((call) => call.startsWith('vips +v9 -v1')),
    'what changed meanwhile was applied as a change, not from nothing',
  );
});

t.test('control hears what came of tries, and what is under way where', async (t) => {
  const b = await running(t);
  const set = { id: 'web', backends: [backend(1), backend(2)] };
  const picker = policyOf({ policy: 'first' }, { ledger: b.ledger })(set, null);
  const tally = picker.started(backend(1));
  picker.started(backend(1)).judged('ok', 1);
  tally.judged('unreachable', 1);
  t.equal(await b.links.countInFlight([backend(1).key, backend(2).key], 5_000), 2);
  await b.until(() => b.tries.length > 0);
  t.strictSame(b.tries, [{ backend: backend(1).key, ok: 1, unreachable: 1, failed: 0, tail: 2 }]);
  tally.ended();
  t.equal(await b.links.countInFlight([backend(1).key], 5_000), 1);
});

t.test('of its listeners a worker tells what changed, and everything to a control that cannot follow', async (t) => {
  const addresses = new OpenAddresses();
  const traffic = {
    name: 'vips',
    start: () => Promise.resolve(),
    drain: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };
  let lines: readonly string[] = [];
  const worker = createWorker({
    functions: [{ traffic, listeners: { key: 'vips.user', addresses }, drainMs: 0, problems: () => lines }],
    ...{ planes: [], slot: 0, generation: 1, edition: 1, clock: systemClock, random: () => 0.5 },
    ...{ log: silentLogger, metrics: createMetrics(), reopenLogs: () => undefined, onBusy: () => undefined },
  });
  t.teardown(() => worker.stop());
  const told: WorkerMessage[] = [];
  let hear: (message: ControlMessage) => void = () => undefined;
  const attach = (takesChanges: boolean): void => {
    worker.attach({
      send: (message) => void told.push(message),
      flushed: () => Promise.resolve(),
      onMessage: (handle) => void (hear = handle),
      ...{ onClose: () => undefined, close: () => undefined },
    });
    hear({ type: 'hello', protocol: 2, generation: 1, pid: 1, ...(takesChanges ? { takesChanges } : {}) });
  };
  const reports = (): readonly WorkerMessage[] =>
    told.splice(0).filter(({ type }) => type === 'report' || type === 'reportChange');
  const settle = async (): Promise<void> => {
    worker.reconfigure(1, {} as never);
    await Promise.resolve();
  };
  addresses.add('tcp a:80', '127.0.0.1:80');
  attach(true);
  hear({ type: 'start' });
  while (!told.some(({ type }) => type === 'report')) await new Promise((resolve) => setImmediate(resolve));
  t.match(reports(), [{ type: 'report', listeners: { 'vips.user': { 'tcp a:80': '127.0.0.1:80' } } }]);
  addresses.add('tcp b:80', '127.0.0.2:80');
  await settle();
  t.match(reports(), [{ type: 'reportChange', listeners: { 'vips.user': { set: [['tcp b:80', '127.0.0.2:80']] } } }]);
  await settle();
  t.same(reports(), [], 'nothing changed');
  lines = ['out of luck'];
  await settle();
  t.strictSame(reports(), [
    { type: 'reportChange', edition: 1, problems: ['vips: out of luck'], serving: ['vips'], listeners: {} },
  ]);
  attach(false);
  addresses.delete('tcp a:80', '127.0.0.1:80');
  await settle();
  const all = { 'vips.user': { 'tcp b:80': '127.0.0.2:80' } };
  t.strictSame(
    reports().map((report) => 'listeners' in report && report.listeners),
    [{ 'vips.user': { 'tcp a:80': '127.0.0.1:80', ...all['vips.user'] } }, all],
  );
});

t.test('a control of the version before is answered by its protocol, and its rows are read', async (t) => {
  const calls: string[] = [];
  const taken: unknown[] = [];
  const { plane } = recordingPlane('zone', calls);
  const worker = createWorker({
    functions: [],
    planes: [{ ...plane, load: () => ({ take: (...row) => void taken.push(row), finish: () => undefined }) }],
    ...{ slot: 0, generation: 1, edition: 1, clock: systemClock, random: () => 0.5 },
    ...{ log: silentLogger, metrics: createMetrics(), reopenLogs: () => undefined, onBusy: () => undefined },
  });
  t.teardown(() => worker.stop());
  const told: WorkerMessage[] = [];
  let hear: (message: ControlMessage) => void = () => undefined;
  worker.attach({
    send: (message) => void told.push(message),
    flushed: () => Promise.resolve(),
    onMessage: (handle) => void (hear = handle),
    ...{ onClose: () => undefined, close: () => undefined },
  });
  hear({ type: 'hello', protocol: 2, generation: 1, pid: 1 });
  t.same(
    told.flatMap((one) => (one.type === 'hello' ? [one.protocol] : [])),
    [3, 2],
  );
  const row = (ip: string): unknown => ({ name: 'a.mesos.', rrs: [{ type: 'A', ttl: 60, address: ip }] });
  hear({ type: 'begin' });
  hear({ type: 'rows', table: 'zone', rows: [['a.mesos.', row('10.0.0.1')]] });
  hear({ type: 'whole', version: 1, hashes: { zone: 7 }, without: [] });
  t.same(taken, [['a.mesos.', 'A 60 10.0.0.1']]);
  const set = [['a.mesos.', row('10.0.0.2')]] as const;
  hear({ type: 'change', from: 1, version: 2, changes: { zone: { set, removed: [] } }, hashes: { zone: 8 } });
  while (!told.some((one) => one.type === 'applied')) await new Promise((resolve) => setImmediate(resolve));
  t.notOk(
    told.some(({ type }) => type === 'resync'),
    'its hashes are of other rows',
  );
});
