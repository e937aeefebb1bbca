// Recorded Marathons: served over HTTP as they were recorded, alone and beside the recorded masters, to a running daemon.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createReplay, startFakeMasters, startMarathonReplay, type MarathonReplay } from '../../src/fakes/index.ts';
import type { RunningDaemon } from '../feature/daemon.ts';
import { compare, differingFields, readJson, withDaemon, type Case, type TaskRow } from './orchestrator-daemon.ts';

interface ExpectedRow extends TaskRow {
  readonly mesosHealthy: unknown;
  readonly hasMesosHealthCheck: unknown;
}

interface RecordedTask {
  readonly id: string;
  readonly host: string;
  readonly state: string;
  readonly ipAddresses?: readonly { readonly ipAddress: string }[];
  readonly ports?: readonly number[];
}

const patienceMs = 20_000;
const lookMs = 30;

/** A Marathon's files carry its name: `marathon-contract-apps.json` is of `marathon-contract`. */
export function marathonCases(folder: string): readonly Case[] {
  const files = readdirSync(folder);
  const names = files.flatMap((file) => /^(marathon.*)-apps\.json$/.exec(file)?.[1] ?? []).sort();
  const own = (name: string): readonly string[] => filesOf(name).filter((file) => files.includes(file));
  const has = (file: string): boolean => files.includes(file);
  return [
    ...names.filter((name) => has(`${name}-info.json`)).map((name) => alone(name, own(name))),
    ...names.filter((name) => has(`${name}-tasks.json`)).map((name) => listedTasks(name, own(name))),
    ...names.filter((name) => has(`${name}-events.sse`)).map((name) => playedEvents(name, own(name))),
    besideMasters(names, names.flatMap(own)),
  ];
}

const filesOf = (name: string): readonly string[] => [
  `${name}-apps.json`,
  `${name}-info.json`,
  `${name}-tasks.json`,
  `${name}-pods-status.json`,
  `${name}-events.sse`,
];

/** The framework's id comes from `/v2/info`, its tasks from apps and pods; what Mesos's checks say no Marathon tells. */
function alone(name: string, files: readonly string[]): Case {
  return {
    name: `${name} alone: info, apps and pods`,
    files: [...files.filter((file) => /(apps|info|pods-status)\.json$/.test(file)), 'expected-snapshot.json'],
    run: (folder) =>
      withMarathons(folder, [name], [], async (daemon) => {
        const { frameworkId } = readJson(join(folder, `${name}-info.json`)) as { readonly frameworkId: string };
        const rows = readJson(join(folder, 'expected-snapshot.json')) as readonly ExpectedRow[];
        const wanted = rows
          .filter((row) => row.frameworkId === frameworkId)
          .map(({ mesosHealthy: _healthy, hasMesosHealthCheck: _checked, ...row }) => row);
        if (wanted.length === 0) return [`no task of ${frameworkId} is expected`];
        return compare(daemon, wanted, 'expected-snapshot.json');
      }),
  };
}

/** `/v2/tasks` and the apps tell of the same tasks: each is shown as it is listed. */
function listedTasks(name: string, files: readonly string[]): Case {
  return {
    name: `${name}: each task of /v2/tasks is shown as it is listed`,
    files: files.filter((file) => /(apps|info|tasks|pods-status)\.json$/.test(file)),
    run: (folder) =>
      withMarathons(folder, [name], [], async (daemon) => {
        const { tasks } = readJson(join(folder, `${name}-tasks.json`)) as { readonly tasks: readonly RecordedTask[] };
        return untilNone(async () => differing(tasks, await daemon.json<readonly ShownTask[]>('/v1/tasks')));
      }),
  };
}

interface ShownTask extends TaskRow {
  readonly agentIp: string;
  readonly state: string;
  readonly taskIps: readonly string[];
  readonly ports: readonly { readonly hostPort?: number }[];
}

function differing(tasks: readonly RecordedTask[], shown: readonly ShownTask[]): readonly string[] {
  return tasks.flatMap(({ id, host, state, ipAddresses = [], ports = [] }) => {
    const row = shown.find(({ taskId }) => taskId === id);
    if (row === undefined) return [`${id} is missing`];
    const hostPorts = new Set(row.ports.flatMap(({ hostPort }) => hostPort ?? []));
    const { agentIp, taskIps } = row;
    const actual = { agentIp, state: row.state, taskIps, hostPorts: [...hostPorts] };
    const wanted = { agentIp: host, state, taskIps: ipAddresses.map(({ ipAddress }) => ipAddress), hostPorts: ports };
    return differingFields(wanted, actual).map((line) => `${id}: ${line}`);
  });
}

/** Every recorded event is taken, and the apps are read again for them, on one stream that stays. */
function playedEvents(name: string, files: readonly string[]): Case {
  return {
    name: `${name}: recorded events are heard, and cause readings`,
    files,
    run: (folder) =>
      withMarathons(folder, [name], [], async (daemon, [marathon]) => {
        if (marathon === undefined) return ['no Marathon'];
        await untilNone(async () => (marathon.subscribers() === 1 ? [] : ['nobody reads the events']));
        const recorded = readFileSync(join(folder, `${name}-events.sse`), 'utf8').match(/^event:/gm)?.length ?? 0;
        const before = marathon.reads('/v2/apps');
        await marathon.play();
        return untilNone(async () => {
          const heard = eventsOf(await daemon.get('/metrics'), name);
          const lines = heard === recorded ? [] : [`${heard} of ${recorded} events were heard`];
          if (marathon.reads('/v2/apps') <= before) lines.push('the apps were not read again');
          return marathon.reads('/v2/events') === 1 ? lines : [...lines, 'the stream was begun again'];
        });
      }),
  };
}

function eventsOf(metrics: string, name: string): number {
  const line = metrics
    .split('\n')
    .find(
      (text) =>
        text.includes('orchestrator_events_total') && text.includes(`"marathon:${name}"`) && text.includes('"event"'),
    );
  return Number(line?.split(' ').at(-1) ?? 0);
}

/** All of it: the masters' recording and every Marathon's, before and after what happened. */
function besideMasters(names: readonly string[], files: readonly string[]): Case {
  return {
    name: 'the recorded masters with all Marathons beside them',
    files: ['mesos-stream.recordio', 'expected-snapshot.json', 'expected-after-events.json', ...files],
    async run(folder) {
      const recording = createReplay({ file: join(folder, 'mesos-stream.recordio') });
      const masters = await startFakeMasters(recording, { count: 1 });
      const mesos = `- mesos: { masters: ["${masters.url()}"] }`;
      const expected = (file: string): unknown => readJson(join(folder, file));
      try {
        return await withMarathons(folder, names, [mesos], async (daemon, marathons) => {
          const before = await compare(daemon, expected('expected-snapshot.json'), 'snapshot');
          recording.all();
          for (const marathon of marathons) await marathon.play();
          return [...before, ...(await compare(daemon, expected('expected-after-events.json'), 'after events'))];
        });
      } finally {
        await masters.close();
      }
    },
  };
}

async function withMarathons(
  folder: string,
  names: readonly string[],
  others: readonly string[],
  use: (daemon: RunningDaemon, marathons: readonly MarathonReplay[]) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const files = new Set(readdirSync(folder));
  const json = (file: string): unknown => (files.has(file) ? readJson(join(folder, file)) : undefined);
  const marathons = await Promise.all(
    names.map((name) =>
      startMarathonReplay({
        apps: json(`${name}-apps.json`),
        info: json(`${name}-info.json`),
        tasks: json(`${name}-tasks.json`),
        pods: json(`${name}-pods-status.json`),
        ...(files.has(`${name}-events.sse`) ? { events: readFileSync(join(folder, `${name}-events.sse`)) } : {}),
      }),
    ),
  );
  const sources = marathons.map(({ url }, index) => `- marathon: { name: "${names[index]}", urls: ["${url}"] }`);
  try {
    return await withDaemon([...others, ...sources], (daemon) => use(daemon, marathons));
  } finally {
    await Promise.all(marathons.map((marathon) => marathon.close()));
  }
}

/** What is still wrong once the daemon has had its time. */
async function untilNone(look: () => Promise<readonly string[]>): Promise<readonly string[]> {
  const deadline = Date.now() + patienceMs;
  for (;;) {
    const lines = await look();
    if (lines.length === 0 || Date.now() > deadline) return lines;
    await new Promise((wake) => setTimeout(wake, lookMs));
  }
}
