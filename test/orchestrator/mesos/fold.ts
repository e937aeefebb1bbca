// A MesosState for tests: pictures and events in, core events out.

import type { ClusterEvent } from '../../../src/cluster/index.ts';
import { createPictureBuilder, type MesosPicture } from '../../../src/orchestrator/mesos/picture.ts';
import { createSplitter } from '../../../src/orchestrator/mesos/split.ts';
import { MesosState } from '../../../src/orchestrator/mesos/state.ts';
import { createSlices } from '../../../src/orchestrator/slices.ts';
import { systemClock } from '../../../src/runtime/index.ts';

/** The picture of a document, read in pieces of `size` bytes. */
export function pictureOf(document: unknown, size = 4096): MesosPicture {
  const builder = createPictureBuilder(() => undefined);
  const splitter = createSplitter({ cuts: builder.cuts, onBadElement: () => undefined });
  const bytes = Buffer.isBuffer(document) ? document : Buffer.from(JSON.stringify(document));
  for (let at = 0; at < bytes.length; at += size) splitter.push(bytes.subarray(at, at + size));
  return builder.finish(splitter.end());
}

export interface Fold {
  readonly state: MesosState;
  readonly skipped: readonly string[];
  readonly notices: readonly string[];
  load(document: unknown, now?: number): Promise<readonly ClusterEvent[]>;
}

export function createFold(): Fold {
  const skipped: string[] = [];
  const notices: string[] = [];
  const state = new MesosState({
    onSkipped: (reason) => skipped.push(reason),
    onNotice: (_key, _fields, message) => notices.push(message),
  });
  return {
    state,
    skipped,
    notices,
    load: (document, now = 0) => state.load(pictureOf(document), now, createSlices(systemClock)),
  };
}

const id = (value: string): object => ({ value });

export interface UpdatedEvent {
  readonly type: 'TASK_UPDATED';
  readonly task_updated: { framework_id: object; state: string; status: object };
}

/** The parts of a whole state; what is left out is empty. */
export interface StateParts {
  readonly tasks?: readonly object[];
  readonly agents?: readonly object[];
  readonly frameworks?: readonly object[];
  readonly recovered?: readonly object[];
  readonly executors?: readonly object[];
}

/** JSON of Mesos, as small as can be. */
export const shape = {
  task: (framework: string, task: string, agent: string, more: object = {}): object => ({
    name: task,
    task_id: id(task),
    framework_id: id(framework),
    agent_id: id(agent),
    state: 'TASK_RUNNING',
    ...more,
  }),
  agent: (agent: string, ip: string): object => ({
    agent_info: { id: id(agent), hostname: ip },
    pid: `slave(1)@${ip}:5051`,
    active: true,
  }),
  framework: (framework: string, name: string): object => ({
    framework_info: { id: id(framework), name },
    active: true,
    connected: true,
  }),
  recovered: (agent: string): object => ({ id: id(agent), hostname: agent }),
  updated(framework: string, task: string, agent: string, state: string, more: object = {}): UpdatedEvent {
    const status = { task_id: id(task), agent_id: id(agent), state, timestamp: 50, ...more };
    return { type: 'TASK_UPDATED', task_updated: { framework_id: id(framework), state, status } };
  },
  added: (task: object): object => ({ type: 'TASK_ADDED', task_added: { task } }),
  agentAdded: (agent: object): object => ({ type: 'AGENT_ADDED', agent_added: { agent } }),
  agentRemoved: (agent: string): object => ({ type: 'AGENT_REMOVED', agent_removed: { agent_id: id(agent) } }),
  frameworkAdded: (framework: object): object => ({ type: 'FRAMEWORK_ADDED', framework_added: { framework } }),
  frameworkRemoved: (framework: string): object => ({
    type: 'FRAMEWORK_REMOVED',
    framework_removed: { framework_info: { id: id(framework) } },
  }),
  state: (parts: StateParts): { readonly get_state: object } => ({
    get_state: {
      get_tasks: { tasks: parts.tasks ?? [] },
      get_agents: { agents: parts.agents ?? [], recovered_agents: parts.recovered ?? [] },
      get_frameworks: { frameworks: parts.frameworks ?? [] },
      get_executors: { executors: parts.executors ?? [] },
    },
  }),
};
