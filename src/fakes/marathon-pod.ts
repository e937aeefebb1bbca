// Marathon's pod definition, as posted and as kept.
import { absoluteId } from './marathon-app.ts';
import type { AppNetwork } from './marathon-app.ts';

export interface PodEndpoint {
  readonly name: string;
  readonly containerPort?: number;
  readonly hostPort?: number;
  readonly protocol?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

export interface PodContainer {
  readonly name: string;
  readonly resources?: { readonly cpus?: number; readonly mem?: number; readonly disk?: number };
  readonly endpoints?: readonly PodEndpoint[];
  readonly image?: { readonly kind?: string; readonly id?: string };
  readonly labels?: Readonly<Record<string, string>>;
  readonly healthCheck?: {
    readonly http?: { readonly endpoint?: string; readonly path?: string };
    readonly tcp?: { readonly endpoint?: string };
    readonly intervalSeconds?: number;
    readonly timeoutSeconds?: number;
    readonly maxConsecutiveFailures?: number;
  };
}

export interface PodDefinition {
  readonly id: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly containers: readonly PodContainer[];
  readonly networks?: readonly AppNetwork[];
  readonly scaling?: { readonly kind?: string; readonly instances?: number };
  readonly [more: string]: unknown;
}

export interface Pod extends PodDefinition {
  readonly networks: readonly AppNetwork[];
  readonly version: string;
}

export function normalizePod(posted: PodDefinition, version: string, role: string): Pod {
  return {
    executorResources: { cpus: 0.1, mem: 32, disk: 10 },
    role,
    ...posted,
    id: absoluteId(posted.id),
    networks: posted.networks ?? [{ mode: 'host' }],
    scaling: { kind: 'fixed', instances: posted.scaling?.instances ?? 1 },
    version,
  };
}
