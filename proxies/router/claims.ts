// Who claims what: records by key with all their claimants, of whom the first has it and the others are told.

import type { Diagnostic } from '../../src/cluster/index.ts';
import type { ClaimedRecord } from './labels/label-rules.ts';
import { compareRoutes, whyBefore } from './precedence.ts';
import { keyOfRecord } from './route-record.ts';

interface Claim {
  readonly owner: string;
  readonly appId: string;
  readonly record: ClaimedRecord;
}

interface Holding {
  readonly keys: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

export class Claims {
  /** False: a service port that two apps have is no more than news, since none is opened. */
  readonly #opensPorts: boolean;
  readonly #claims = new Map<string, Claim[]>();
  readonly #holdings = new Map<string, Holding>();

  constructor(opensPorts: boolean) {
    this.#opensPorts = opensPorts;
  }

  keys(): Iterable<string> {
    return this.#claims.keys();
  }

  clear(): void {
    this.#claims.clear();
    this.#holdings.clear();
  }

  /** All that `owner` claims from now on. `stale` gets the keys of before and after. */
  replace(
    owner: string,
    appId: string,
    records: readonly ClaimedRecord[],
    diagnostics: readonly Diagnostic[],
    stale?: Set<string>,
  ): void {
    for (const key of this.#holdings.get(owner)?.keys ?? []) {
      stale?.add(key);
      this.#release(key, owner);
    }
    this.#holdings.delete(owner);
    const keys = records.map(keyOfRecord);
    if (keys.length + diagnostics.length > 0) this.#holdings.set(owner, { keys, diagnostics });
    records.forEach((record, i) => {
      const key = keys[i] ?? '';
      stale?.add(key);
      const claims = this.#claims.get(key);
      if (claims === undefined) this.#claims.set(key, [{ owner, appId, record }]);
      else if (!claims.some((claim) => claim.owner === owner && claim.record.kind !== 'route'))
        claims.push({ owner, appId, record });
    });
  }

  /** The record that counts; undefined where nobody claims the key. */
  winner(key: string): ClaimedRecord | undefined {
    const claims = this.#claims.get(key);
    return claims === undefined ? undefined : inOrder(claims)[0]?.record;
  }

  /** Those of labels, and one for each claimant that comes second; sorted. */
  diagnostics(): readonly Diagnostic[] {
    const all = [...this.#holdings].flatMap(([owner, held]) => (owner === 'static' ? [] : held.diagnostics));
    const conflicts = [...this.#claims.values()].flatMap((claims) =>
      claims.length > 1 ? conflictsOf(claims, this.#opensPorts) : [],
    );
    return [...all, ...conflicts].sort(byAppAndKey);
  }

  #release(key: string, owner: string): void {
    const left = this.#claims.get(key)?.filter((claim) => claim.owner !== owner) ?? [];
    if (left.length === 0) this.#claims.delete(key);
    else this.#claims.set(key, left);
  }
}

function inOrder(claims: readonly Claim[]): readonly Claim[] {
  return claims.length === 1 ? claims : [...claims].sort(compareClaims);
}

/** Routes by precedence; everything else goes to the first app id. */
function compareClaims(a: Claim, b: Claim): number {
  if (a.record.kind === 'route' && b.record.kind === 'route') return compareRoutes(a.record, b.record);
  return byteOrder(a.appId, b.appId) || byteOrder(a.owner, b.owner);
}

function conflictsOf(claims: readonly Claim[], opensPorts: boolean): readonly Diagnostic[] {
  const [winner, ...losers] = inOrder(claims) as [Claim, ...Claim[]];
  return losers.flatMap((loser) => conflictOf(winner, loser, opensPorts) ?? []);
}

function conflictOf(winner: Claim, { record }: Claim, opensPorts: boolean): Diagnostic | null {
  const first = winner.record;
  if (record.kind === 'route' && first.kind === 'route') {
    if (record.listener === 'https' && first.listener === 'https' && record.dialect !== 'static') return null;
    return {
      app: record.app,
      task: null,
      key: record.app === null ? `router.routes[${record.portIndex}]` : labelOf(record.dialect, record.portIndex),
      value: `${record.host}${record.path}`,
      reason: `${first.appId}:${first.portIndex} claims the same host and path and comes first (${whyBefore(first, record)})`,
      hint: 'let one of the two give it up, or tell them apart by path',
      severity: 'error',
    };
  }
  if (record.kind !== 'port' || first.kind !== 'port') return null;
  return {
    app: record.app,
    task: null,
    key: `HAPROXY_${record.portIndex}_PORT`,
    value: record.id,
    reason: `${first.appId}:${first.portIndex} has service port ${record.id} already and its app id comes first`,
    hint: 'give one of the two another number',
    severity: opensPorts ? 'error' : 'info',
  };
}

const labelOf = (dialect: string, index: number): string =>
  dialect === 'traefik' ? 'traefik.frontend.rule' : `HAPROXY_${index}_VHOST`;

function byAppAndKey(a: Diagnostic, b: Diagnostic): number {
  const text = ({ app, key, value, reason }: Diagnostic): string => [app, key, value, reason].join('\n');
  return byteOrder(text(a), text(b));
}

const byteOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
