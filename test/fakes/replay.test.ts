// Recordings go out byte for byte, and snapshots agree with what was sent. The shared fixtures are used where they are at hand.
import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { createReplay, startFakeMasters } from '../../src/fakes/index.ts';
import type { Task } from '../../src/fakes/index.ts';
import { call, json, recordsUntil, subscribe } from './wire.ts';

const SHARED = new URL('../../../shared/fixtures/orchestrator/mesos-stream.recordio', import.meta.url);
const OWN = new URL('./data/stream.recordio', import.meta.url);
const files = [OWN, SHARED].filter((file) => existsSync(file));

type Record_ = Record<string, unknown> & { type: string };

// What a reader of the stream holds at its end, by the merge rules of the specification (§1.7).
function statesAfter(events: readonly Record_[]): Map<string, string> {
  const states = new Map<string, string>();
  for (const event of events) {
    if (event.type === 'SUBSCRIBED') {
      const { subscribed } = event as unknown as { subscribed: { get_state: { get_tasks: { tasks?: Task[] } } } };
      for (const task of subscribed.get_state.get_tasks.tasks ?? []) states.set(task.task_id.value, task.state);
    } else if (event.type === 'TASK_ADDED') {
      const { task } = (event as unknown as { task_added: { task: Task } }).task_added;
      states.set(task.task_id.value, task.state);
    } else if (event.type === 'TASK_UPDATED') {
      const { status, state } = (
        event as unknown as { task_updated: { status: { task_id: { value: string } }; state: string } }
      ).task_updated;
      states.set(status.task_id.value, state);
    }
  }
  const ended = /FINISHED|FAILED|KILLED|ERROR|LOST|GONE|DROPPED|UNREACHABLE/;
  return new Map([...states].filter(([, state]) => !ended.test(state)));
}

for (const file of files) {
  void t.test(
    `replay of ${file.pathname.split('/').at(-1) ?? ''} in ${file === OWN ? 'this project' : 'the shared fixtures'}`,
    async (t) => {
      const bytes = readFileSync(file);
      const replay = createReplay({ recordio: bytes });
      const masters = await startFakeMasters(replay, { heartbeatMs: 60_000 });
      t.teardown(() => masters.close());
      const stream = await subscribe(masters.url());
      t.equal((await recordsUntil(stream, 1))[0]?.type, 'SUBSCRIBED');
      t.equal(stream.bytes().compare(bytes.subarray(0, stream.bytes().length)), 0);
      replay.next(2);
      const three = await recordsUntil(stream, 3);
      t.equal(three.length, 3);
      replay.all();
      t.equal(replay.remaining, 0);
      const all = await stream.until((seen) => seen.length >= bytes.length);
      t.equal(all.compare(bytes), 0, 'every byte, and no heartbeat of its own');
      const late = await subscribe(masters.url());
      t.equal(
        (await late.until((seen) => seen.length >= bytes.length)).compare(bytes),
        0,
        'a later reader gets the whole story',
      );
      const state = JSON.parse((await call(masters.url(), 'GET_STATE')).body.toString()) as {
        get_state: { get_tasks: { tasks: Task[] } };
      };
      const expected = statesAfter((await recordsUntil(late, 1)) as Record_[]);
      t.same(new Map(state.get_state.get_tasks.tasks.map((task) => [task.task_id.value, task.state])), expected);
      const { json: v0 } = await json(`${masters.url()}/state`);
      const tasks = (v0 as { frameworks: { tasks: { id: string }[] }[] }).frameworks.flatMap((framework) =>
        framework.tasks.map(({ id }) => id),
      );
      t.same(new Set(tasks), new Set(expected.keys()), 'v0 too');
      stream.close();
      late.close();
    },
  );
}

void t.test('a snapshot and events as objects', async (t) => {
  const snapshot = { type: 'SUBSCRIBED', subscribed: { get_state: {} } };
  const replay = createReplay({ snapshot, events: [{ type: 'HEARTBEAT' }] });
  const masters = await startFakeMasters(replay);
  t.teardown(() => masters.close());
  const stream = await subscribe(masters.url());
  replay.next();
  t.same(await recordsUntil(stream, 2), [snapshot, { type: 'HEARTBEAT' }]);
  stream.close();
  t.throws(() => createReplay({ recordio: Buffer.from('12x\n{}') }), /Not RecordIO/);
  t.throws(() => createReplay({ recordio: Buffer.from('12\n{}') }), /cut short/);
});
