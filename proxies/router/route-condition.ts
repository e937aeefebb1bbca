// What a request must fulfil besides host and path: the other matchers of Traefik's rules and of HAProxy's tests, as plain records.

/** `not`: turned round. Expressions are JavaScript sources that were checked where they came from. */
export type RouteCondition =
  | { readonly on: 'method'; readonly methods: readonly string[]; readonly not?: boolean }
  /** A field's value: one of these texts, whole; or, with `regex`, found in it. Any of a repeated field counts. */
  | {
      readonly on: 'header';
      readonly name: string;
      readonly values?: readonly string[];
      readonly regex?: string;
      readonly not?: boolean;
    }
  /** Each of these pairs stands in the query, decoded. */
  | {
      readonly on: 'query';
      readonly pairs: readonly { readonly name: string; readonly value: string }[];
      readonly not?: boolean;
    }
  /** One of these patterns (as in `RouteEntry.host`) covers the host. */
  | { readonly on: 'host'; readonly hosts: readonly string[]; readonly not?: boolean }
  /** The Host as the client wrote it, port and all, is one of these in any case: Marathon-LB as measured. */
  | { readonly on: 'authority'; readonly texts: readonly string[]; readonly not?: boolean }
  /** One of these fits the canonical path. */
  | { readonly on: 'path'; readonly paths: readonly PathTest[]; readonly not?: boolean }
  /** The client's address is in one of these CIDRs. */
  | { readonly on: 'source'; readonly networks: readonly string[]; readonly not?: boolean };

export interface PathTest {
  readonly kind: 'exact' | 'prefix' | 'suffix' | 'regex';
  readonly text: string;
  readonly ignoreCase?: boolean;
}

/** What conditions read of a request; an exchange's request with its client's address has it. */
export interface RoutedRequest {
  readonly method: string;
  readonly host: string;
  /** Host and port as written. */
  readonly authority: string;
  readonly matchPath: string;
  /** Path and query. */
  readonly forwardTarget: string;
  readonly fields: { get(name: string): string | null };
}
