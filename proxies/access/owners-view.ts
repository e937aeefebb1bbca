// View `owners`: which addresses and ports belong to the cluster, and whose they are. Each task and each VIP name lays claims to addresses;
// a record is the sum of the claims to its address.

import {
  isCurrent,
  parseVipLabel,
  sameIn,
  sameRecord,
  type Allocation,
  type Delta,
  type Snapshot,
  type Task,
} from '../../src/cluster/index.ts';
import type { TableChange, View } from '../../src/ports/index.ts';
import { canonicalIp } from './address.ts';
import type { OwnerRecord } from './owner-record.ts';

interface Claim {
  readonly ip: string;
  /** Null where the address is shared, or the task belongs to no app. */
  readonly app: string | null;
  readonly ports: readonly number[] | null;
}

/** Who lays claims to an address, and which: a task by its key, `vip NAME`. */
interface Sole {
  readonly claimant: string;
  readonly claims: readonly Claim[];
}

/** Claims to each address. Most have one claimant, and a map for each would weigh more than all claims. */
type Claims = Map<string, Sole | Map<string, readonly Claim[]>>;

/** A millisecond's worth. */
const recordsPerStep = 200;

export function createOwnerView(): View<OwnerRecord> {
  const table = new Map<string, OwnerRecord>();
  let claims: Claims = new Map();

  function settle(touched: Iterable<string>): TableChange<OwnerRecord> {
    const set: [string, OwnerRecord][] = [];
    const removed: string[] = [];
    for (const ip of touched) {
      const record = recordOf(claims.get(ip));
      if (record === null) {
        if (table.delete(ip)) removed.push(ip);
      } else if (!sameRecord(table.get(ip), record)) {
        table.set(ip, record);
        set.push([ip, record]);
      }
    }
    return { set, removed };
  }

  function* rebuildInSlices(snapshot: Snapshot): Generator<TableChange<OwnerRecord>, void> {
    claims = new Map();
    const touched = new Set(table.keys());
    let count = 0;
    for (const [key, task] of snapshot.tasks) {
      lay(claims, key, claimsOfTask(task), touched);
      if (++count % recordsPerStep === 0) yield settle([]);
    }
    for (const [name, allocation] of snapshot.allocations) {
      lay(claims, `vip ${name}`, claimsOfVip(allocation), touched);
      if (++count % recordsPerStep === 0) yield settle([]);
    }
    const all = [...touched];
    for (let at = 0; at < all.length; at += recordsPerStep) yield settle(all.slice(at, at + recordsPerStep));
  }

  return {
    name: 'owners',
    table,
    rebuild(snapshot) {
      const parts = [...rebuildInSlices(snapshot)];
      return { set: parts.flatMap(({ set }) => set), removed: parts.flatMap(({ removed }) => removed) };
    },
    rebuildInSlices,
    derive(delta) {
      return settle(fold(claims, delta));
    },
    diagnostics: () => [],
    print: () => printed(table),
  };
}

/** Brings the claims from `delta.from` to `delta.to` and returns the addresses that were touched. */
function fold(claims: Claims, delta: Delta): ReadonlySet<string> {
  const touched = new Set<string>();
  for (const [key, { before, after }] of delta.tasks) {
    if (before !== undefined && after !== undefined && claimAlike(before, after)) continue;
    if (before !== undefined) withdraw(claims, key, claimsOfTask(before), touched);
    if (after !== undefined) lay(claims, key, claimsOfTask(after), touched);
  }
  for (const [name, { before, after }] of delta.allocations) {
    if (before !== undefined) withdraw(claims, `vip ${name}`, claimsOfVip(before), touched);
    if (after !== undefined) lay(claims, `vip ${name}`, claimsOfVip(after), touched);
  }
  return touched;
}

/** All that `claimsOfTask` reads but the state. */
const claimFields = [
  ...(['framework', 'appKey', 'networkMode', 'agentIp', 'agentIps', 'addresses'] as const),
  ...(['ports', 'hostPorts', 'mappings'] as const),
] as const satisfies readonly (keyof Task)[];

const claimAlike = (before: Task, after: Task): boolean =>
  isCurrent(before.state) === isCurrent(after.state) && sameIn(before, after, claimFields);

function lay(claims: Claims, claimant: string, wanted: readonly Claim[], touched: Set<string>): void {
  for (const claim of wanted) {
    const held = claims.get(claim.ip);
    touched.add(claim.ip);
    if (held === undefined) claims.set(claim.ip, { claimant, claims: [claim] });
    else if (!('claimant' in held)) held.set(claimant, [...(held.get(claimant) ?? []), claim]);
    else if (held.claimant === claimant) claims.set(claim.ip, { claimant, claims: [...held.claims, claim] });
    else claims.set(claim.ip, new Map([[held.claimant, held.claims]]).set(claimant, [claim]));
  }
}

function withdraw(claims: Claims, claimant: string, former: readonly Claim[], touched: Set<string>): void {
  for (const { ip } of former) {
    const held = claims.get(ip);
    touched.add(ip);
    if (held === undefined) continue;
    if ('claimant' in held ? held.claimant === claimant : held.delete(claimant) && held.size === 0) claims.delete(ip);
  }
}

function claimsOfTask(task: Task): readonly Claim[] {
  if (!isCurrent(task.state)) return [];
  return [...ownAddresses(task), ...hostPorts(task), ...addressVips(task)];
}

/** Bridge addresses mean nothing outside their agent, and an address that is an agent's is never one task's own. */
function ownAddresses(task: Task): readonly Claim[] {
  if (task.networkMode !== 'container') return [];
  const app = task.appKey === null ? null : task.appKey.slice(task.appKey.indexOf('/'));
  const agent = new Set(agentAddresses(task));
  return task.addresses.flatMap((address) => {
    const ip = canonicalIp(address.ip);
    return ip === null || agent.has(ip) ? [] : [{ ip, app, ports: null }];
  });
}

function hostPorts(task: Task): readonly Claim[] {
  const named = task.ports.flatMap((port) => (port.scope === 'host' && port.hostPort !== null ? [port.hostPort] : []));
  const ports = [...new Set([...task.hostPorts, ...named, ...task.mappings.map((mapping) => mapping.hostPort)])];
  return ports.length === 0 ? [] : agentAddresses(task).map((ip) => ({ ip, app: null, ports }));
}

function agentAddresses(task: Task): readonly string[] {
  const all = task.agentIp === null ? task.agentIps : [task.agentIp, ...task.agentIps];
  return [...new Set(all.map(canonicalIp).filter((ip) => ip !== null))];
}

function addressVips(task: Task): readonly Claim[] {
  return task.ports.flatMap((port) =>
    port.vips.flatMap((text) => {
      const vip = parseVipLabel(text, task.framework);
      const ip = 'kind' in vip && vip.kind === 'address' ? canonicalIp(vip.ip) : null;
      return ip === null || !('kind' in vip) ? [] : [{ ip, app: null, ports: [vip.port] }];
    }),
  );
}

/** The addresses of named VIPs come out of ranges that hold nothing else. */
function claimsOfVip(allocation: Allocation): readonly Claim[] {
  const ips = [allocation.ip4, allocation.ip6].map((ip) => (ip === null ? null : canonicalIp(ip)));
  return ips.flatMap((ip) => (ip === null ? [] : [{ ip, app: null, ports: null }]));
}

function recordOf(held: Sole | ReadonlyMap<string, readonly Claim[]> | undefined): OwnerRecord | null {
  if (held === undefined) return null;
  const all = 'claimant' in held ? held.claims : [...held.values()].flat();
  const apps = [...new Set(all.flatMap(({ app }) => (app === null ? [] : [app])))].sort();
  const isWhole = all.some(({ ports }) => ports === null);
  const ports = isWhole ? null : [...new Set(all.flatMap((claim) => claim.ports ?? []))].sort((a, b) => a - b);
  return Object.freeze({ apps: Object.freeze(apps), ports: ports === null ? null : Object.freeze(ports) });
}

function printed(table: ReadonlyMap<string, OwnerRecord>): string {
  return [...table]
    .map(([ip, { apps, ports }]) => `${ip} ports=${ports === null ? '*' : ports.join(',')} apps=${apps.join(',')}\n`)
    .sort()
    .join('');
}
