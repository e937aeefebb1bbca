// What the configuration may say about access, as it comes out of YAML (interface.md, "Rules").

export type Command = 'connect' | 'bind' | 'udp';

export interface RuleConditions {
  /** Networks of clients. */
  readonly from?: readonly string[];
  /** Names of the users file. */
  readonly users?: readonly string[];
  /** Globs over app ids: `*` within a segment, `**` over segments. Known only of clients that have an address of their own. */
  readonly apps?: readonly string[];
  /** Networks, names, `*.domain`, `cluster`, `external`. */
  readonly to?: readonly string[];
  /** Ports and ranges such as `8000-8010`. */
  readonly ports?: readonly (number | string)[];
  readonly commands?: readonly Command[];
}

/** What a rule limits by itself, besides the limits of its section; 0 or absent: nothing. */
export interface RuleLimits {
  /** Sessions at a time: tunnels, UDP associations and HTTP requests that the rule allowed. */
  readonly connections?: number;
  /** The same of one client. Loopback is never counted. */
  readonly perClient?: number;
  /** New sessions a second, whoever asks, after a burst of `newBurst` (absent: of one second). */
  readonly newPerSecond?: number;
  readonly newBurst?: number;
  /** Both ways together: of all tunnels of the rule, and of each. */
  readonly bytesPerSecond?: number;
  readonly connectionBytesPerSecond?: number;
}

/** Of the rule's tunnels, in place of what the section says; 0: none. */
export interface RuleTimeouts {
  readonly tunnelMs?: number;
  readonly halfClosedMs?: number;
  readonly lifetimeMs?: number;
}

/** One rule: exactly one of `allow` and `deny`; an absent condition matches any. */
export interface RuleConfig {
  readonly allow?: RuleConditions | null;
  readonly deny?: RuleConditions | null;
  /** Name of a list of parent proxies. */
  readonly via?: string;
  /** `open`: a log line when the session opens, beside the one when it closes. */
  readonly log?: 'open';
  /** Opens the ranges that are always refused to what the rule names in `to`. */
  readonly unsafe?: boolean;
  /** Of an allow rule. */
  readonly limits?: RuleLimits;
  readonly timeouts?: RuleTimeouts;
}
