// How large a simulated cluster is, and how long its history.

export interface SimulationSize {
  readonly agents: number;
  readonly apps: number;
  readonly steps: number;
  /** Tasks that each app has at first. */
  readonly perApp: number;
  /** Apps and pods of the Marathon, in seeds that have one. */
  readonly marathonApps: number;
  /** Things that happen to apps and tasks in a step, beside one that happens to the cluster. */
  readonly churn: number;
  /** Steps between two looks at all that the views show. */
  readonly lookEvery: number;
}

export const smallSize: SimulationSize = {
  agents: 5,
  apps: 4,
  steps: 60,
  perApp: 2,
  marathonApps: 5,
  churn: 0,
  lookEvery: 1,
};

/** Of so many tasks in all, from the start. */
export function largeSize(agents: number, tasks: number, steps: number): SimulationSize {
  const churn = Math.ceil(tasks / 2000);
  return { agents, apps: Math.ceil(tasks / 10), steps, perApp: 10, marathonApps: 25, churn, lookEvery: 5 };
}
