// What is claimed while a simulation runs: a task that runs and was healthy all its life is shown for as long, once it was.

import { frameworkId, taskId, taskKey, type Task } from '../../src/cluster/index.ts';
import type { Pipeline } from '../../src/daemon/pipeline.ts';
import type { FakeCluster } from '../../src/fakes/index.ts';
import { presenceIn, viewNames, type Lack, type Shown } from './presence.ts';

export interface Claim extends Shown {
  readonly frameworkId: string;
  readonly agent: string;
}

export class Claims {
  readonly #live = new Map<string, Claim>();
  /** Of those, the ones that the follower has shown. */
  readonly #seen = new Set<string>();
  /** Nothing is claimed twice: who was sick or away once may be gone at any time. */
  readonly #over = new Set<string>();
  readonly #cluster: FakeCluster;
  /** Looks at a task so far. */
  looks = 0;

  constructor(cluster: FakeCluster) {
    this.#cluster = cluster;
  }

  claim(id: string, claim: Claim): void {
    if (!this.#over.has(id)) this.#live.set(id, claim);
  }

  /** From now on nothing is claimed of the task. */
  forget(id: string): void {
    this.#live.delete(id);
    this.#seen.delete(id);
    this.#over.add(id);
  }

  forgetAgent(agent: string): void {
    for (const [id, claim] of this.#live) if (claim.agent === agent) this.forget(id);
  }

  /** Another follower knows what was saved, and no more. */
  restarted(kept: ReadonlySet<string>): void {
    for (const id of this.#seen) if (!kept.has(id)) this.#seen.delete(id);
  }

  /**
   * Throws where a task that was shown is shown no more. `look`: whether at the snapshot alone, at the views too, or after quiet, when
   * everything must be shown, whether it was before or not.
   */
  check(pipeline: Pipeline, when: string, look: 'snapshot' | 'views' | 'after quiet'): void {
    const lacks = look === 'snapshot' ? null : presenceIn(printsOf(pipeline));
    for (const [id, claim] of this.#live) {
      // It may have ended while no master knew of it.
      if (this.#cluster.taskOnAgent(id)?.state !== 'TASK_RUNNING') {
        this.forget(id);
        continue;
      }
      this.looks++;
      const task = pipeline.snapshot.tasks.get(taskKey(frameworkId(claim.frameworkId), taskId(id)));
      if (look !== 'after quiet' && !this.#seen.has(id)) {
        if (isShown(task, claim, lacks)) this.#seen.add(id);
        continue;
      }
      if (task?.state !== 'TASK_RUNNING') throw new Error(`${when}: ${id} runs and is not in the snapshot`);
      const lack = lacks?.(claim) ?? null;
      if (lack !== null) throw new Error(`${when}: ${id} ${lack}`);
    }
  }
}

/** What Marathon speaks for is routed when its app is known, and no word of Mesos says when that is. */
function isShown(task: Task | undefined, claim: Claim, lacks: Lack | null): boolean {
  if (task?.state !== 'TASK_RUNNING' || task.agentIp === null) return false;
  return claim.isOfMarathon ? lacks !== null && lacks(claim) === null : true;
}

type Prints = Readonly<Record<(typeof viewNames)[number], string>>;

/** What the views of a follower print, without what changes by itself. */
export function printsOf(pipeline: Pipeline): Prints {
  const texts = viewNames.map((name) => [name, withoutSerial(pipeline.view(name)?.print() ?? '')]);
  return Object.fromEntries(texts) as Prints;
}

const withoutSerial = (text: string): string => text.replace(/( IN SOA \S+ \S+) \d+(.*) \d+$/gm, '$1 SERIAL$2');
