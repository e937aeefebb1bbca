// The masters of the cluster as the orchestrators see them: who leads, and who else is there.

export interface MasterAddress {
  readonly ip: string;
  readonly port: number;
}

export interface Masters {
  readonly leader: MasterAddress | null;
  /** All known masters in the order of their source (configuration or ZooKeeper), the leader among them. */
  readonly all: readonly MasterAddress[];
}

export const noMasters: Masters = Object.freeze({ leader: null, all: Object.freeze([]) as readonly MasterAddress[] });
