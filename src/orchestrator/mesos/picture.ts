// Picture: one whole reading of a Mesos cluster (SUBSCRIBED, GET_STATE or `/state`), built aside element by element while its bytes come.

import type { Agent, AgentId, Framework, FrameworkId, MasterAddress, TaskKey } from '../../cluster/index.ts';
import { listOf, numberOf, objectOf, textOf } from '../json.ts';
import {
  decodeAgent,
  decodeExecutor,
  decodeFramework,
  decodeMaster,
  decodeRecovered,
  type Executor,
} from './decode-cluster.ts';
import { decodeTask, type TaskDraft } from './decode.ts';
import { addressOfPid } from './fields.ts';
import { isTerminal } from '../../cluster/index.ts';
import type { Cut } from './split.ts';

export interface MesosPicture {
  readonly tasks: ReadonlyMap<TaskKey, TaskDraft>;
  readonly agents: ReadonlyMap<AgentId, Agent>;
  /** Agents that the registry names and that have not come back to this master (specs/orchestrator.md §5.3). */
  readonly recovered: ReadonlySet<AgentId>;
  readonly frameworks: ReadonlyMap<FrameworkId, Framework>;
  readonly executors: ReadonlyMap<string, Executor>;
  /** Only `/state` tells it. */
  readonly leader: MasterAddress | null;
  /** Milliseconds; null before Mesos 1.5 and outside of SUBSCRIBED. */
  readonly heartbeatMs: number | null;
}

/** Where in a document the sections of the picture are. */
export type PictureForm = 'subscribed' | 'get_state' | 'v0';

export interface PictureBuilder {
  /** Arrays that the splitter is to cut out, with what takes their elements. */
  readonly cuts: readonly Cut[];
  /** The picture, once `skeleton` (the rest of the document) is there. */
  finish(skeleton: unknown): MesosPicture;
}

/** `onSkipped`: an element that could not be read, counted by reason. */
export function createPictureBuilder(onSkipped: (reason: string) => void): PictureBuilder {
  const tasks = new Map<TaskKey, TaskDraft>();
  const agents = new Map<AgentId, Agent>();
  const recovered = new Set<AgentId>();
  const frameworks = new Map<FrameworkId, Framework>();
  const executors = new Map<string, Executor>();

  const taker =
    <R>(reason: string, decode: (element: unknown) => R | null, keep: (record: R) => void) =>
    (element: unknown): void => {
      const record = decode(element);
      if (record === null) onSkipped(reason);
      else keep(record);
    };
  const takeTask = taker('task', decodeTask, (task) => {
    if (!isTerminal(task.state)) tasks.set(task.key, task);
  });
  const takeAgent = taker('agent', decodeAgent, (agent) => agents.set(agent.id, agent));
  const takeRecovered = taker('agent', decodeRecovered, (id) => recovered.add(id));
  const takeFramework = taker('framework', decodeFramework, (framework) => frameworks.set(framework.id, framework));
  const takeExecutor = taker('executor', decodeExecutor, (executor) => executors.set(executor.key, executor));

  function cutsUnder(prefix: string): Cut[] {
    return [
      { path: `${prefix}get_tasks.tasks`, take: takeTask },
      // The name that masters before 1.2 have for them.
      { path: `${prefix}get_tasks.launched_tasks`, take: takeTask },
      { path: `${prefix}get_tasks.unreachable_tasks`, take: takeTask },
      { path: `${prefix}get_tasks.completed_tasks`, take: null },
      { path: `${prefix}get_tasks.pending_tasks`, take: null },
      { path: `${prefix}get_tasks.orphan_tasks`, take: null },
      { path: `${prefix}get_executors.executors`, take: takeExecutor },
      { path: `${prefix}get_frameworks.frameworks`, take: takeFramework },
      { path: `${prefix}get_frameworks.completed_frameworks`, take: null },
      { path: `${prefix}get_agents.agents`, take: takeAgent },
      { path: `${prefix}get_agents.recovered_agents`, take: takeRecovered },
    ];
  }

  return {
    cuts: [
      ...cutsUnder('subscribed.get_state.'),
      ...cutsUnder('get_state.'),
      { path: 'slaves', take: takeAgent },
      { path: 'recovered_slaves', take: takeRecovered },
      { path: 'frameworks.tasks', take: takeTask },
      { path: 'frameworks.unreachable_tasks', take: takeTask },
      { path: 'frameworks.completed_tasks', take: null },
      { path: 'frameworks.executors', take: takeExecutor },
      { path: 'completed_frameworks', take: null },
    ],
    finish(skeleton) {
      const root = objectOf(skeleton);
      // Of `/state` the frameworks stay in the skeleton: their tasks are cut out from within them.
      for (const framework of listOf(root['frameworks'])) takeFramework(framework);
      for (const id of agents.keys()) recovered.delete(id);
      const seconds = numberOf(objectOf(root['subscribed'])['heartbeat_interval_seconds']);
      return {
        tasks,
        agents,
        recovered,
        frameworks,
        executors,
        leader: decodeMaster(root['leader_info']) ?? addressOfPid(textOf(root['leader'])),
        heartbeatMs: seconds === null ? null : seconds * 1000,
      };
    },
  };
}

/** What a document is, by its skeleton; null: none of Mesos's pictures. */
export function pictureForm(skeleton: unknown): PictureForm | null {
  const root = objectOf(skeleton);
  if (root['subscribed'] !== undefined) return 'subscribed';
  if (root['get_state'] !== undefined) return 'get_state';
  return Array.isArray(root['slaves']) || Array.isArray(root['frameworks']) ? 'v0' : null;
}
