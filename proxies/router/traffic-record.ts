// What labels of our own ask of traffic besides choosing backends: shares of a route, copies of requests, faults (specs/l7.md §7.2). Parts of
// records of the table `routes`: plain JSON, absent fields mean nothing is asked.

/** How an app takes part in a route that others claim too. */
export interface RouteShare {
  /** Against the weights of the others that say one; 0: none of the requests. */
  readonly weight?: number;
  readonly canary?: Canary;
}

/** Any of these brings a request here. */
export interface Canary {
  readonly header?: NamedValue;
  readonly cookie?: NamedValue;
  /** Of the clients, 0 to 100; a client stays where it is. */
  readonly percent?: number;
}

export interface NamedValue {
  /** A field's in lower case. */
  readonly name: string;
  /** Null: any. */
  readonly value: string | null;
}

/** One more app on a route; its requests are treated as the route's own options say. */
export interface RouteBranch {
  readonly app: string;
  readonly appId: string;
  readonly portIndex: number;
  /** Id of its service and set. */
  readonly set: string;
  readonly share: RouteShare;
}

/** Copies of requests for another app, whose answers nobody sees. */
export interface Mirror {
  readonly appId: string;
  readonly portIndex: number;
  readonly set: string;
  /** 0 to 100. */
  readonly percent: number;
  /** Behind the first label of the Host. Absent: as it is. */
  readonly hostSuffix?: string;
  /** Copies requests of any method. Absent: of those alone that do the same twice. */
  readonly allMethods?: boolean;
}

/** Faults on purpose. */
export interface Faults {
  readonly delay?: { readonly ms: number; readonly percent: number };
  readonly abort?: { readonly status: number; readonly percent: number };
  /** Epoch milliseconds; absent: as long as it is said. */
  readonly untilMs?: number;
  /** Requests without this field are spared. */
  readonly header?: NamedValue;
}
