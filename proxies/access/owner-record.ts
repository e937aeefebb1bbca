// Who owns an address of the cluster, as the control process tells the workers.

/** Record of the table `owners`, by canonical address. */
export interface OwnerRecord {
  /** App ids of the tasks that have this address for themselves, sorted; empty for agents and VIPs, which tasks share. */
  readonly apps: readonly string[];
  /** Ports that are the cluster's, ascending; null: all of them. On an agent's address only host ports of tasks are. */
  readonly ports: readonly number[] | null;
}
