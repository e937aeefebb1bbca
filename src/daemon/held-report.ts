// What a worker reports, as control holds it: listeners are changed in place, and put in order when somebody asks for them.

import type { ListenerGroups, WorkerReport, WorkerReportChange } from './message.ts';

export class HeldReport implements WorkerReport {
  readonly type = 'report';
  edition: number;
  problems: readonly string[];
  serving: readonly string[];
  readonly #listeners: Map<string, Map<string, string>>;

  constructor({ edition, problems, serving, listeners }: WorkerReport) {
    this.edition = edition;
    this.problems = problems;
    this.serving = serving;
    this.#listeners = new Map(Object.entries(listeners).map(([key, group]) => [key, new Map(Object.entries(group))]));
  }

  /** Made anew each time, in the order of names. */
  get listeners(): ListenerGroups {
    const sorted = (group: ReadonlyMap<string, string>): Readonly<Record<string, string>> =>
      Object.fromEntries([...group].sort(([a], [b]) => (a < b ? -1 : 1)));
    return Object.fromEntries([...this.#listeners].map(([key, group]) => [key, sorted(group)]));
  }

  take({ edition, problems, serving, listeners }: WorkerReportChange): void {
    this.edition = edition;
    this.problems = problems;
    this.serving = serving;
    for (const [key, { set, removed }] of Object.entries(listeners)) {
      const group = this.#listeners.get(key) ?? new Map<string, string>();
      this.#listeners.set(key, group);
      for (const name of removed) group.delete(name);
      for (const [name, address] of set) group.set(name, address);
    }
  }
}
