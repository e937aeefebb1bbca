// An app: what users deploy by Marathon and label. Tasks point at it by key; service ports exist only here.

import type { AppKey, FrameworkId } from './ids.ts';
import type { Labels } from './labels.ts';
import type { NetworkMode } from './task.ts';

export interface AppPort {
  /** Position among the app's mappings or port definitions: the `n` of `HAPROXY_<n>_…`. */
  readonly index: number;
  readonly name: string | null;
  /** Lower case, `tcp`, `udp` or `tcp,udp`. */
  readonly protocol: string;
  readonly servicePort: number | null;
  /** Null in host networking and where none was declared. */
  readonly containerPort: number | null;
  /** Position among the task's host ports, null where this port has none (an overlay port without mapping). */
  readonly hostPortIndex: number | null;
  readonly labels: Labels;
}

export interface AppHealthCheck {
  /** As Marathon writes it: HTTP, HTTPS, TCP, COMMAND, MESOS_HTTP, MESOS_HTTPS, MESOS_TCP. */
  readonly protocol: string;
  readonly path: string | null;
  readonly portIndex: number | null;
  readonly port: number | null;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly maxConsecutiveFailures: number;
}

export interface App {
  readonly key: AppKey;
  /** Name of the Marathon that runs it. */
  readonly marathon: string;
  readonly frameworkId: FrameworkId | null;
  /** With its leading slash, such as `/groupware/nginx`. */
  readonly id: string;
  readonly labels: Labels;
  readonly networkMode: NetworkMode;
  readonly ports: readonly AppPort[];
  readonly healthChecks: readonly AppHealthCheck[];
  readonly hasReadinessChecks: boolean;
  readonly instances: number;
  /** Epoch milliseconds of the last change of `instances`; absent where Marathon does not say. */
  readonly lastScalingAt?: number;
  /** Marathon's constraints, each joined by colons (`rack_id:GROUP_BY`); absent: none. */
  readonly constraints?: readonly string[];
  readonly version: string | null;
  /** True while a deployment of the app is running. */
  readonly deploying: boolean;
  /** True where no Marathon told of the app and it was made up from the labels of its tasks. */
  readonly inferred: boolean;
  /** Of an inferred app: the discovery name that its tasks share, else their name. */
  readonly discoveryName?: string;
}
