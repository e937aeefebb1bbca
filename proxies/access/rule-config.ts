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
}
