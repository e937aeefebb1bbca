// Control's side of its workers, told message by message: workers of another version, workers that agree with nothing, a torn table.

import t from 'tap';
import { memoryChannels } from '../../src/daemon/channel.ts';
import { createLinks, type Links } from '../../src/daemon/links.ts';
import { protocolVersion, type ControlMessage, type TableName, type WorkerMessage } from '../../src/daemon/message.ts';
import {
  FollowedTable,
  ViewedTable,
  type AnyChange,
  type AnyRecord,
  type PublishedTable,
} from '../../src/daemon/tables.ts';
import { hashRow, silentLogger } from '../../src/runtime/index.ts';
import { manualClock } from '../runtime/manual-clock.ts';

interface Far {
  readonly links: Links;
  readonly heard: ControlMessage[];
  readonly zone: Map<string, AnyRecord>;
  readonly zoneTable: PublishedTable;
  readonly clock: ReturnType<typeof manualClock>;
  isClosed: boolean;
  say(message: WorkerMessage): Promise<void>;
  publish(changes: Partial<Record<TableName, AnyChange>>): Promise<void>;
}

/** Everything that is under way in microtasks and immediates. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

async function connected(protocol: number): Promise<Far> {
  const zone = new Map<string, AnyRecord>([['n1.mesos.', 'A 60 10.0.0.1']]);
  const sum = (): number => [...zone].reduce((all, [key, text]) => (all + hashRow(key, text)) >>> 0, 0);
  const zoneTable = new ViewedTable(zone, sum);
  const vips = new FollowedTable();
  vips.apply({ set: [['v1', {}]], removed: [] });
  const tables = new Map<TableName, PublishedTable>([
    ['vips', vips],
    ['zone', zoneTable],
  ]);
  let version = 0;
  const clock = manualClock();
  const links = createLinks({
    published: () => ({ version, tables }),
    ...{ generation: 1, clock, log: silentLogger, onChange: () => undefined },
  });
  const [near, far] = memoryChannels<ControlMessage, WorkerMessage>();
  const state: Far = {
    ...{ links, heard: [], zone, zoneTable, clock, isClosed: false },
    async say(message) {
      far.send(message);
      await settled();
    },
    async publish(changes) {
      for (const [name, change] of Object.entries(changes)) tables.get(name as TableName)?.apply(change);
      version++;
      links.publish(version - 1, changes);
      await settled();
    },
  };
  far.onMessage((message) => void state.heard.push(message));
  far.onClose(() => void (state.isClosed = true));
  links.add(near);
  await state.say({ type: 'hello', protocol, generation: 1, slot: 0, pid: 1, started: false });
  return state;
}

const wholes = ({ heard }: Far): number => heard.filter(({ type }) => type === 'whole').length;
const last = ({ heard }: Far, type: ControlMessage['type']): unknown => heard.findLast((one) => one.type === type);

t.test('a worker that hashes rows as before gets the tables once, and no hash to disagree with', async (t) => {
  const far = await connected(1);
  t.match(last(far, 'whole'), { hashes: {}, without: [] });
  t.same(Object.keys((last(far, 'whole') as { hashes: object }).hashes), []);
  await far.say({ type: 'applied', version: 0 });
  await far.publish({ vips: { set: [['v2', {}]], removed: [] } });
  t.match(last(far, 'change'), { from: 0, version: 1, changes: { vips: { set: [['v2', {}]] } } });
  t.same(Object.keys((last(far, 'change') as { hashes: object }).hashes), []);
  t.equal(wholes(far), 1);
});

t.test('a worker of the version before gets records as it knows them', async (t) => {
  const far = await connected(2);
  const record = { name: 'n1.mesos.', rrs: [{ type: 'A', ttl: 60, address: '10.0.0.1' }] };
  const rows = far.heard.find((one) => one.type === 'rows' && one.table === 'zone');
  t.same(rows, { type: 'rows', table: 'zone', rows: [['n1.mesos.', record]] });
  t.same((last(far, 'whole') as { hashes: object }).hashes, {});
  await far.publish({ zone: { set: [['n1.mesos.', 'A 5 10.0.0.1']], removed: ['n2.mesos.'] } });
  const set = [['n1.mesos.', { name: 'n1.mesos.', rrs: [{ type: 'A', ttl: 5, address: '10.0.0.1' }] }]];
  t.same(last(far, 'change'), {
    type: 'change',
    from: 0,
    version: 1,
    changes: { zone: { set, removed: ['n2.mesos.'] } },
    hashes: {},
  });
});

t.test('a worker of an unknown protocol is left alone, and not tried again without end', async (t) => {
  const far = await connected(protocolVersion + 5);
  t.equal(wholes(far), 0);
  t.same(far.links.states(), []);
  t.notOk(far.isClosed, 'a closed channel would be opened again');
});

t.test('a worker that never agrees is sent everything ever more seldom', async (t) => {
  const far = await connected(protocolVersion);
  const ask = (): Promise<void> => far.say({ type: 'resync', reason: 'table zone differs from what control holds' });
  await ask();
  t.equal(wholes(far), 2, 'the first time at once');
  await ask();
  t.equal(wholes(far), 2);
  far.clock.advance(1_000);
  await settled();
  t.equal(wholes(far), 3);
  await ask();
  far.clock.advance(1_000);
  await settled();
  t.equal(wholes(far), 3);
  far.clock.advance(1_000);
  await settled();
  t.equal(wholes(far), 4);
  await far.say({ type: 'applied', version: 0 });
  await ask();
  t.equal(wholes(far), 5, 'at once again, after it served by what it was sent');
});

t.test('a table whose view failed half-way is not sent to a new worker until it is mended', async (t) => {
  const far = await connected(protocolVersion);
  far.zoneTable.setTorn(true);
  far.zone.set('half.mesos.', 'A 60 10.0.0.2');
  far.heard.splice(0);
  await far.say({ type: 'resync', reason: 'new' });
  t.match(last(far, 'whole'), { without: ['zone'] });
  t.notOk(JSON.stringify(far.heard).includes('half'));
  await far.publish({ vips: { set: [['v2', {}]], removed: [] } });
  t.equal(wholes(far), 1, 'what else changes is told as a change');
  t.notOk('zone' in (last(far, 'change') as { hashes: object }).hashes, 'and says nothing of the table');
  far.zoneTable.setTorn(false);
  const mended = { set: [...far.zone], removed: [] };
  await far.publish({ zone: far.zoneTable.changeTo(far.zone, mended) });
  t.match(last(far, 'whole'), { without: [], hashes: { zone: far.zoneTable.hash } });
  t.ok(JSON.stringify(far.heard).includes('half'), 'it is sent when it is whole again');
});

t.test('a change that was held back while whole tables went out does not go back behind them', async (t) => {
  const far = await connected(protocolVersion);
  await far.publish({ vips: { set: [['v2', {}]], removed: [] } });
  far.links.publish(0, { vips: { set: [['v2', {}]], removed: [] } });
  await settled();
  t.match(last(far, 'change'), { from: 1, version: 1 });
});

t.test('a worker starts behind the tables that are on their way to it', async (t) => {
  const far = await connected(protocolVersion);
  far.heard.length = 0;
  far.links.publishWhole();
  far.links.start();
  await settled();
  const types = far.heard.map(({ type }) => type);
  t.ok(types.includes('whole'));
  t.ok(types.indexOf('start') > types.indexOf('whole'), types.join(' '));
});
