// Who claims what: records by key with all their claimants, of whom the first has it and the others are told.

import type { Diagnostic } from '../../src/cluster/index.ts';
import { Claimants, isCanary, type Claim } from './claimants.ts';
import type { ClaimedRecord } from './labels/label-rules.ts';
import { compareRoutes, whyBefore } from './precedence.ts';
import { keyOfRecord, type RouteEntry } from './route-record.ts';
import type { RouteBranch } from './traffic-record.ts';

/** Routes by precedence, canaries behind what they stand beside; everything else goes to the first app id. */
function compareClaims(a: Claim, b: Claim): number {
  if (a.record.kind === 'route' && b.record.kind === 'route')
    return Number(isCanary(a)) - Number(isCanary(b)) || compareRoutes(a.record, b.record);
  return byteOrder(a.appId, b.appId) || byteOrder(a.owner, b.owner);
}

interface Holding {
  readonly keys: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
}

export class Claims {
  /** False: a service port that two apps have is no more than news, since none is opened. */
  readonly #opensPorts: boolean;
  readonly #compare: typeof compareClaims;
  readonly #claims = new Map<string, Claimants>();
  readonly #holdings = new Map<string, Holding>();

  /** `compare`: for tests that count. */
  constructor(opensPorts: boolean, compare = compareClaims) {
    this.#opensPorts = opensPorts;
    this.#compare = compare;
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
      const claimants = this.#claims.get(key);
      if (claimants?.release(owner) === 0) this.#claims.delete(key);
    }
    this.#holdings.delete(owner);
    const keys = records.map(keyOfRecord);
    if (keys.length + diagnostics.length > 0) this.#holdings.set(owner, { keys, diagnostics });
    records.forEach((record, i) => {
      const key = keys[i] ?? '';
      stale?.add(key);
      let claimants = this.#claims.get(key);
      if (claimants === undefined) this.#claims.set(key, (claimants = new Claimants(this.#compare)));
      claimants.add({ owner, appId, record });
    });
  }

  /** The record that counts, with the apps that share it; undefined where nobody claims the key. */
  winner(key: string): ClaimedRecord | undefined {
    const claimants = this.#claims.get(key);
    const record = claimants?.first()?.record;
    if (record?.kind !== 'route' || claimants === undefined || !claimants.isShared) return record;
    const branches = claimants.sharing().map(({ record }) => branchOf(record as RouteEntry));
    return branches.length === 0 ? record : Object.freeze({ ...record, branches });
  }

  /** Those of labels, and one for each claimant that comes second; sorted. */
  diagnostics(): readonly Diagnostic[] {
    const all = [...this.#holdings].flatMap(([owner, held]) => (owner === 'static' ? [] : held.diagnostics));
    const conflicts = [...this.#claims.values()].flatMap((claimants) => conflictsOf(claimants, this.#opensPorts));
    return [...all, ...conflicts]
      .map((one) => ({ one, text: [one.app, one.key, one.value, one.reason].join('\n') }))
      .sort((a, b) => byteOrder(a.text, b.text))
      .map(({ one }) => one);
  }
}

const branchOf = ({ app, appId, portIndex, set, share }: RouteEntry): RouteBranch => ({
  app: app ?? '',
  appId,
  portIndex,
  set,
  share: share ?? {},
});

function conflictsOf(claimants: Claimants, opensPorts: boolean): readonly Diagnostic[] {
  const winner = claimants.first();
  if (winner === null || claimants.size < 2) return [];
  const sharing = new Set(claimants.isShared ? claimants.sharing() : []);
  return claimants
    .all()
    .flatMap((claim) => (claim === winner || sharing.has(claim) ? [] : (conflictOf(winner, claim, opensPorts) ?? [])));
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

const byteOrder = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
