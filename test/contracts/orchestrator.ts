// The contract of every orchestrator (src/ports/orchestrator.ts), as a suite to be run on each implementation.

import type { Test } from 'tap';
import { emptySnapshot, reduce, type ClusterEvent, type Snapshot } from '../../src/cluster/index.ts';
import type { Orchestrator } from '../../src/ports/index.ts';

/** One orchestrator in a world that the suite can change. */
export interface OrchestratorWorld {
  readonly orchestrator: Orchestrator;
  /** Makes a task of that name run. */
  launch(name: string): void | Promise<void>;
  /** Makes the source unreachable or unreadable, and reachable again. */
  breakSource(): void | Promise<void>;
  mendSource(): void | Promise<void>;
  close(): Promise<void>;
}

const contactTypes: ReadonlySet<string> = new Set(['contact', 'lost-contact']);
const patienceMs = 10_000;

interface Reading {
  readonly snapshot: Snapshot;
  readonly batches: readonly (readonly ClusterEvent[])[];
  readonly ended: Promise<void>;
  until(what: string, holds: () => boolean): Promise<void>;
}

/** Runs the suite; `open` makes a world whose source answers and holds no task yet. */
export function orchestratorContract(test: Test, name: string, open: () => Promise<OrchestratorWorld>): void {
  const hasTask = (reading: Reading, task: string): boolean =>
    [...reading.snapshot.tasks.values()].some((one) => one.name === task);
  const scene = async (t: Test): Promise<{ world: OrchestratorWorld; reading: Reading; stopping: AbortController }> => {
    const world = await open();
    const stopping = new AbortController();
    const reading = read(world.orchestrator, stopping.signal);
    t.teardown(async () => {
      stopping.abort();
      await reading.ended;
      await world.close();
    });
    return { world, reading, stopping };
  };

  test.test(`${name}: the first data event is a resync, and what comes later is told`, async (t) => {
    const { world, reading } = await scene(t);
    await world.launch('first');
    await reading.until('the first task', () => reading.snapshot.synced && hasTask(reading, 'first'));
    const data = reading.batches.flat().filter((event) => !contactTypes.has(event.type));
    t.equal(data[0]?.type, 'resync');
    await world.launch('second');
    await reading.until('the second task', () => hasTask(reading, 'second'));
    t.ok(hasTask(reading, 'first'));
    t.ok(
      reading.batches.every((batch) => batch.length > 0),
      'no batch is empty',
    );
  });

  test.test(`${name}: a source that breaks is lost contact, no exception and no loss of data`, async (t) => {
    const { world, reading } = await scene(t);
    await world.launch('first');
    await reading.until('the first task', () => hasTask(reading, 'first'));
    await world.breakSource();
    await reading.until('the loss', () =>
      [...reading.snapshot.sources.values()].some((source) => source.state === 'lost'),
    );
    t.ok(hasTask(reading, 'first'));
    const lost = reading.batches.flat().filter((event) => event.type === 'lost-contact');
    t.ok(
      lost.every((event) => event.type === 'lost-contact' && event.reason !== '' && !event.reason.includes('\n')),
      'one line of reason',
    );
    await world.mendSource();
    await world.launch('second');
    await reading.until('contact', () =>
      [...reading.snapshot.sources.values()].every((source) => source.state === 'live'),
    );
    await reading.until('what came meanwhile', () => hasTask(reading, 'second'));
    t.ok(hasTask(reading, 'first'));
  });

  test.test(`${name}: ends when it is told to`, async (t) => {
    const { world, reading, stopping } = await scene(t);
    await world.launch('first');
    await reading.until('the first task', () => hasTask(reading, 'first'));
    stopping.abort();
    await reading.ended;
    t.pass('ended without an exception');
  });

  test.test(`${name}: does not even begin where it was told to end before`, async (t) => {
    const world = await open();
    t.teardown(() => world.close());
    for await (const batch of world.orchestrator.watch(AbortSignal.abort())) t.fail(`said ${JSON.stringify(batch)}`);
    t.pass('said nothing');
  });

  test.test(`${name}: a consumer that leaves early is let go`, async (t) => {
    const world = await open();
    t.teardown(() => world.close());
    await world.launch('first');
    for await (const batch of world.orchestrator.watch(new AbortController().signal)) {
      if (batch.some((event) => event.type === 'resync')) break;
    }
    t.pass('left');
  });
}

function read(orchestrator: Orchestrator, signal: AbortSignal): Reading {
  const snapshot = emptySnapshot();
  const batches: (readonly ClusterEvent[])[] = [];
  const looks = new Set<() => void>();
  const ended = (async () => {
    for await (const batch of orchestrator.watch(signal)) {
      batches.push(batch);
      for (const event of batch) reduce(snapshot, event);
      for (const look of looks) look();
    }
  })();
  const until = (what: string, holds: () => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`waited in vain for: ${what}`)), patienceMs);
      const look = (): void => {
        if (!holds()) return;
        clearTimeout(timer);
        looks.delete(look);
        resolve();
      };
      looks.add(look);
      look();
    });
  return { snapshot, batches, ended, until };
}
