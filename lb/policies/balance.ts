// Balance: which policy, and what requests are told apart by.

/** Plain JSON. */
export interface Balance {
  /** A name in `policyNames`; an unknown one counts as round robin. */
  readonly policy: string;
  /** What the request's hash is made of; absent: the client's address for policies that hash, chance for the others. */
  readonly key?: HashKey;
  /** Backends drawn by `random`; absent: 2. */
  readonly draws?: number;
}

export type HashKey =
  | { readonly by: 'client' }
  /** Path, `length` characters or `depth` folders of it at most, with the query where `whole`. */
  | { readonly by: 'uri'; readonly length?: number; readonly depth?: number; readonly whole?: boolean }
  | { readonly by: 'query'; readonly name: string }
  | { readonly by: 'header'; readonly name: string }
  | { readonly by: 'cookie'; readonly name: string };
