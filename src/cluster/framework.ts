// A framework: a scheduler registered with Mesos. Names are not unique, ids are.

import type { FrameworkId } from './ids.ts';

export interface Framework {
  readonly id: FrameworkId;
  readonly name: string;
  readonly hostname: string;
  /** `scheduler-…@ip:port` of a libprocess scheduler; null for an HTTP scheduler. */
  readonly pid: string | null;
  /** Of the scheduler, where its pid or host name had to be looked up; absent: not needed, or not found yet. */
  readonly ips?: readonly string[];
  readonly webuiUrl: string | null;
  readonly active: boolean;
}
