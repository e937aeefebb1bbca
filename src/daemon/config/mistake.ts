// What a value of the configuration did wrong, and what would be right. Never quotes the value: who reports it does, unless it is a secret.

export interface Mistake {
  /** A predicate: `is no host:port`. */
  readonly wrong: string;
  /** What to write instead, as an instruction. */
  readonly remedy: string;
}

/** Whether a parser gave a mistake instead of a value. */
export function isMistake(value: unknown): value is Mistake {
  return typeof value === 'object' && value !== null && 'wrong' in value && 'remedy' in value;
}
