// What the tasks of one app have in common is held once: their labels and ports say the same, 50,000 times.

import { sameRecord } from './equality.ts';
import type { Task, TaskPort } from './task.ts';

type TaskDraft = { -readonly [K in keyof Task]: Task[K] };

/** Names whose last task is remembered. */
const mostNames = 16_384;

/** Gives each task those parts of the last one of its name that are equal to its own. */
export class TaskSharing {
  readonly #lastOfName = new Map<string, Task>();

  /** The last task that goes by the name (that of discovery, else its own). */
  last(name: string): Task | undefined {
    return this.#lastOfName.get(name);
  }

  /** Changes `draft`, which must not be frozen yet. */
  share(draft: TaskDraft): void {
    const name = draft.discoveryName ?? draft.name;
    const last = this.#lastOfName.get(name);
    if (last !== undefined) shareParts(draft, last);
    if (this.#lastOfName.size >= mostNames) this.#lastOfName.clear();
    this.#lastOfName.set(name, draft);
  }
}

function shareParts(draft: TaskDraft, last: Task): void {
  // Equal texts that were read apart are kept apart until one takes the other's place.
  if (draft.frameworkId === last.frameworkId) draft.frameworkId = last.frameworkId;
  if (draft.framework === last.framework) draft.framework = last.framework;
  if (draft.name === last.name) draft.name = last.name;
  if (draft.discoveryName === last.discoveryName) draft.discoveryName = last.discoveryName;
  if (draft.appKey === last.appKey) draft.appKey = last.appKey;
  if (draft.zone === last.zone) draft.zone = last.zone;
  if (sameRecord(draft.labels, last.labels)) draft.labels = last.labels;
  if (sameRecord(draft.statusLabels, last.statusLabels)) draft.statusLabels = last.statusLabels;
  if (sameRecord(draft.mappings, last.mappings)) draft.mappings = last.mappings;
  if (sameRecord(draft.hostPorts, last.hostPorts)) draft.hostPorts = last.hostPorts;
  if (sameRecord(draft.agentIps, last.agentIps)) draft.agentIps = last.agentIps;
  draft.ports = sameRecord(draft.ports, last.ports) ? last.ports : sharedPorts(draft.ports, last.ports);
}

/** Of ports that differ in their numbers the labels are equal all the same. */
function sharedPorts(ports: readonly TaskPort[], lasts: readonly TaskPort[]): readonly TaskPort[] {
  return Object.freeze(
    ports.map((port, i) => {
      const last = lasts[i];
      if (last === undefined) return port;
      const labels = sameRecord(port.labels, last.labels) ? last.labels : port.labels;
      const vips = sameRecord(port.vips, last.vips) ? last.vips : port.vips;
      return labels === port.labels && vips === port.vips ? port : Object.freeze({ ...port, labels, vips });
    }),
  );
}
