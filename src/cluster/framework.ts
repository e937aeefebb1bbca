// A framework: a scheduler registered with Mesos. Names are not unique, ids are.

import type { FrameworkId } from './ids.ts';

export interface Framework {
  readonly id: FrameworkId;
  readonly name: string;
  readonly hostname: string;
  /** `scheduler-…@ip:port` of a libprocess scheduler; null for an HTTP scheduler. */
  readonly pid: string | null;
  readonly webuiUrl: string | null;
  readonly active: boolean;
}
