// What the parts of the storm tell each other: where the daemon listens, and what became of each piece of traffic.

/** Where the load goes. */
export interface Targets {
  readonly http: number;
  readonly https: number;
  readonly dns: number;
  readonly socks: number;
  readonly httpProxy: number;
  /** `host:port` of the VIP in user space, and its name. */
  readonly vip: string;
  readonly vipName: string;
  readonly host: string;
  readonly liar: string;
  readonly taskName: string;
  /** PEM of the authority that signs every certificate of the host. */
  readonly ca: string;
}

/** A piece of traffic that was not served; times are milliseconds since the epoch. */
export interface Loss {
  readonly kind: string;
  readonly from: number;
  readonly until: number;
  readonly what: string;
  /** Task that had answered already; undefined: none is known. */
  readonly task?: string;
  /** A connection that was to last as long as its task. */
  readonly isLong?: true;
}

export interface Counts {
  done: number;
  /** Sent again by rule: refused by GOAWAY, or by a kept connection that closed before a byte of the answer came (RFC 9110 §9.2.2). */
  again: number;
  /** Milliseconds; the first ones, then a sample. */
  readonly times: number[];
}

export type FromLoad =
  | { readonly type: 'loss'; readonly loss: Loss }
  | { readonly type: 'counts'; readonly counts: Readonly<Record<string, Counts>>; readonly open: number };

export type ToLoad =
  /** `rate`: part of the usual pace. */
  { readonly type: 'begin'; readonly targets: Targets; readonly rate: number } | { readonly type: 'end' };
