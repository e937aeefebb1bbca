// An agent: a machine of the cluster that runs tasks. The word means nothing else in this code.

import type { AgentId } from './ids.ts';

export interface Agent {
  readonly id: AgentId;
  /** Address taken from the agent's pid, which is where its tasks' host ports listen; null while only a host name is known. */
  readonly ip: string | null;
  /** Every address of the agent where more than one is known (IPv6 beside IPv4); `ip` comes first. */
  readonly ips: readonly string[];
  readonly hostname: string;
  readonly port: number;
  readonly region: string | null;
  readonly zone: string | null;
  readonly attributes: Readonly<Record<string, string>>;
  /** False while the master knows the agent but has lost its connection, or has deactivated it. */
  readonly active: boolean;
}
