// What the configuration says of labels, and what comes of the labels of one app or deployment group.

import type { App, Backend, Diagnostic, Snapshot } from '../../../src/cluster/index.ts';
import type { RouteRecord, SetEntry } from '../route-record.ts';

/** Which apps may claim which hosts: globs of app ids (`/prod/**`) and host patterns. */
export interface HostAuthority {
  readonly apps: readonly string[];
  readonly hosts: readonly string[];
}

/** `router.traefik`, under its own names (specs/l7.md §2.3). */
export interface TraefikRules {
  readonly domain: string;
  readonly exposedByDefault: boolean;
  readonly constraints: readonly string[];
  readonly groupsAsSubDomains: boolean;
  readonly marathonLBCompatibility: boolean;
  readonly filterMarathonConstraints: boolean;
  readonly forceTaskHostname: boolean;
  readonly respectReadinessChecks: boolean;
  readonly ipSources: readonly string[];
  readonly defaultEntryPoints: readonly string[];
}

export interface LabelRules {
  /** HAPROXY_GROUP values served; `*` is all. */
  readonly groups: readonly string[];
  /** Empty: any app may claim any host. */
  readonly authority: readonly HostAuthority[];
  /** `reference`: Marathon-LB and Traefik as measured, with their faults. */
  readonly labels: 'corrected' | 'reference';
  /** Listeners that routes are made for. */
  readonly listeners: readonly ('http' | 'https')[];
  /** HAPROXY_<n>_ENABLED is false where it is not said. */
  readonly strictMode: boolean;
  /** Tasks that Marathon calls unhealthy get nothing. */
  readonly healthCheck: boolean;
  /** Hosts alone come after hosts with a path, a password or a redirect (Marathon-LB's map mode). */
  readonly haproxyMap: boolean;
  /** As measured: in map mode the first vhost of a port alone is served on https. Heeded where `labels` is `reference`. */
  readonly groupHttpsByVhost: boolean;
  /** A vhost whose ACL templates are not understood is published without them. */
  readonly allowUnsafeTemplates: boolean;
  /** ISTHMUS_<n>_FAULT_* are honoured. */
  readonly allowFaults: boolean;
  /** Public port of https, where it is not 443. */
  readonly httpsPort: number | null;
  /** Null: traefik.* labels are not read. */
  readonly traefik: TraefikRules | null;
}

export const defaultLabelRules: LabelRules = {
  groups: [],
  authority: [],
  labels: 'corrected',
  listeners: ['http'],
  strictMode: false,
  healthCheck: true,
  haproxyMap: false,
  groupHttpsByVhost: false,
  allowUnsafeTemplates: false,
  allowFaults: false,
  httpsPort: null,
  traefik: null,
};

/** An app, or the apps of one HAPROXY_DEPLOYMENT_GROUP taken together. */
export interface LabelUnit {
  /** The app's key; a deployment group's ends in `#group`. */
  readonly key: string;
  /** As published: the app's id, or `/` and the group. */
  readonly appId: string;
  /** The one whose labels and ports count. */
  readonly app: App;
  /** The older ones of a group first; one of an app on its own. */
  readonly members: readonly App[];
  /** Of a group in the middle of a deployment: the new app. */
  readonly newest: App | null;
}

/** A backend with the name that its CSV row and sticky cookie have. */
export interface NamedBackend {
  readonly backend: Backend;
  readonly name: string;
}

/** How the backends of one claimant of a set are found. */
export interface SetPlan {
  readonly id: string;
  /** `lost`: those of agents that are gone, for when nothing else is up. */
  collect(snapshot: Snapshot): { readonly known: readonly NamedBackend[]; readonly lost: readonly NamedBackend[] };
}

export type ClaimedRecord = Exclude<RouteRecord, SetEntry>;

export interface LabelClaims {
  readonly records: readonly ClaimedRecord[];
  readonly plans: readonly SetPlan[];
  readonly diagnostics: readonly Diagnostic[];
  /** Index of the port of options and services whose ids do not say it: ISTHMUS_<n>_* are by port. */
  readonly ports?: ReadonlyMap<string, number>;
}
