// The server that a group of zone cases is asked of: a real daemon, or, for zones that are given record by record, which no daemon can be
// told, the DNS function alone on sockets of its own.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDnsFunction } from '../../dns/index.ts';
import { splitHostPort } from '../../src/cluster/index.ts';
import { bindTcp, bindUdp, createMetrics, seededRandom, silentLogger, systemClock } from '../../src/runtime/index.ts';
import { startDaemon } from '../feature/daemon.ts';
import type { Server } from './dns-asking.ts';
import { addressAnswers, startFakeMaster, startFakeUpstream, type Fake } from './dns-fakes.ts';
import { emptyState, isTransfer, readEvents, readState, readTransfer, stateOfVips, tableOf } from './dns-fixtures.ts';
import type { PlainRecord } from './dns-fixtures.ts';
import { makeLocal } from './dns-namespace.ts';
import { rowsOf, textsOf } from './dns-outcome.ts';

type Row = Readonly<Record<string, unknown>>;

export interface RunningServer {
  readonly dns: Server;
  /** Of `dns.http`, where the group wants it. */
  readonly http: string | null;
  /** Of `dcosNet`, likewise. */
  readonly dcosNet: string | null;
  /** Names with records, lower case and without the dot at their end. */
  names(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** Starts what serves `fixture` under `config`, as the reference `of` would, or `strict`. Throws for what it does not understand. */
export async function startServer(
  folder: string,
  of: 'mesos-dns' | 'dcos-net',
  fixture: string,
  config: Row,
  strict = false,
): Promise<RunningServer> {
  if (fixture === 'inline' && Array.isArray(config['vips'])) return startVips(config, strict);
  if (fixture === 'inline') return startFunction(zoneRecords(config), config, strict, zonesOf(config));
  if (fixture !== 'none' && !existsSync(join(folder, fixture))) throw new Error(`there is no file ${fixture}`);
  if (isTransfer(folder, fixture)) return startFunction(readTransfer(folder, fixture), {}, strict);
  return of === 'mesos-dns'
    ? startMesosDns(folder, fixture, config, strict)
    : startDcosNet(folder, fixture, config, strict);
}

/** Keys of the cases' configurations and ours (specs/dns.md §8.4). */
const names: Readonly<Record<string, string>> = {
  domain: 'domain',
  ttl: 'ttl',
  soaMname: 'soaMname',
  soaRname: 'soaRname',
  ipSources: 'ipSources',
  ipSelection: 'ipSelection',
  enforceRFC952: 'enforceRFC952',
  recurseOn: 'recurseOn',
  externalOn: 'externalOn',
  enumerationOn: 'enumerationOn',
  setTruncateBit: 'setTruncateBit',
  srvRecordDefaultWeight: 'srvDefaultWeight',
  srvDefaultWeight: 'srvDefaultWeight',
  leaderOverride: 'leaderOverride',
  masterOrder: 'masterOrder',
  zoneResolvers: 'forwardZones',
};

async function startMesosDns(folder: string, fixture: string, config: Row, strict: boolean): Promise<RunningServer> {
  const { listener = '127.0.0.1', masters: _masters, resolvers, ...rest } = config;
  const dns: Record<string, unknown> = { strict, http: '127.0.0.1:0' };
  for (const [key, value] of Object.entries(rest)) {
    const own = names[key];
    if (own === undefined) throw new Error(`configuration key ${key} is not understood`);
    dns[own] = value;
  }
  // The build that DC/OS ships has another rule, and the fixture says which build it is of (specs/dns.md §2.3).
  if (fixture.includes('dcos-1.13')) dns['ipSelection'] ??= 'first-per-family';
  makeLocal([String(listener)]);
  dns['listen'] = [hostPort(String(listener), 0)];
  const fakes: Fake[] = [];
  dns['upstreams'] = await stubs(resolvers, Number(config['ttl'] ?? 60), fakes);
  const leader = config['leaderOverride'];
  const state = fixture === 'none' ? emptyState('') : readState(folder, fixture);
  const fed = leader === undefined ? state : { ...state, leader };
  return start({ dns }, fed, textsOf(config['masters']), fakes);
}

/** `<stub answering NAME A IP,IP>` at an address of its own. */
async function stubs(resolvers: unknown, ttl: number, fakes: Fake[]): Promise<readonly string[]> {
  const addresses: string[] = [];
  for (const text of textsOf(resolvers)) {
    const stub = /^<stub answering (\S+) (A|AAAA) (\S+)>$/.exec(text);
    if (stub === null) throw new Error(`resolver ${text} is not understood`);
    const ip = `192.0.2.${101 + addresses.length}`;
    const type = stub[2] as 'A' | 'AAAA';
    const answers = addressAnswers(stub[1] as string, type, (stub[3] as string).split(','), ttl);
    fakes.push(await startFakeUpstream(ip, 53, () => ({ kind: 'answers', answers })));
    addresses.push(`${ip}:53`);
  }
  return addresses;
}

async function startDcosNet(folder: string, fixture: string, config: Row, strict: boolean): Promise<RunningServer> {
  const strange = Object.keys(config).filter((key) => !['zone', 'ttl', 'masters'].includes(key));
  if (strange.length > 0) throw new Error(`configuration key ${strange.join(', ')} is not understood`);
  const dns = { strict, http: null, listen: ['127.0.0.1:0'], loadbalance: 'rotate' };
  const masters = textsOf(config['masters']).map((ip) => hostPort(ip, 5050));
  const empty = emptyState(masters.length === 0 ? '' : `master@${String(masters[0])}`);
  const sections = { dns, dcosNet: '127.0.0.1:0', vips: { plane: 'user' } };
  if (fixture === 'none') return start(sections, empty, masters, []);
  return start(sections, empty, masters, [], readEvents(folder, fixture));
}

async function startVips(config: Row, strict: boolean): Promise<RunningServer> {
  const { vips, minNamedIp, maxNamedIp, minNamedIp6, maxNamedIp6, ...rest } = config;
  if (Object.keys(rest).length > 0) throw new Error(`configuration key ${Object.keys(rest).join()} is not understood`);
  const sections: Record<string, unknown> = {
    dns: { strict, http: null, listen: ['127.0.0.1:0'] },
    vips: {
      plane: 'user',
      range: `${String(minNamedIp)}-${String(maxNamedIp)}`,
      ...(minNamedIp6 === undefined ? {} : { range6: `${String(minNamedIp6)}-${String(maxNamedIp6)}` }),
    },
  };
  return start(sections, stateOfVips(rowsOf(vips, 'vips')), [], []);
}

/** A daemon that forwards to `upstreams`, in the order given, without patience. */
export async function withForwarder(
  upstreams: readonly string[],
  use: (dns: Server) => Promise<readonly string[]>,
  more: Row = {},
): Promise<readonly string[]> {
  const timeouts = { upstream: '1500ms', upstreamTotal: '4s' };
  const dns = { strict: false, http: null, listen: ['127.0.0.1:0'], upstreams, timeouts, ...more };
  const server = await start({ dns }, emptyState(''), [], []);
  try {
    return await use(server.dns);
  } finally {
    await server.close();
  }
}

/** A daemon that gets `state` from fake masters, or from a file where no master is named; `events` come from a file beside. */
async function start(
  sections: Row,
  state: Row,
  masters: readonly string[],
  fakes: Fake[],
  events?: string,
): Promise<RunningServer> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-conformance-'));
  const close = async (): Promise<void> => {
    for (const fake of fakes) await fake.close();
    rmSync(directory, { recursive: true });
  };
  try {
    const cluster: unknown[] = [];
    const file = (name: string, text: string): void => {
      writeFileSync(join(directory, name), text);
      cluster.push({ file: { path: join(directory, name), name: 'mesos' } });
    };
    if (masters.length === 0 && events === undefined) file('state.json', JSON.stringify(state));
    if (events !== undefined) file('events.json', events);
    if (masters.length > 0) cluster.push({ mesos: { masters: await startMasters(masters, state, fakes) } });
    const daemon = await startDaemon(
      JSON.stringify({ cluster, admin: { listen: '127.0.0.1:0' }, workers: 0, ...sections }),
    );
    const [host, port] = splitAddress(daemon.address('dns'));
    return {
      dns: { host, port },
      http: daemon.ready.listeners['dns.http']?.[0] ?? null,
      dcosNet: daemon.ready.listeners['dcosNet']?.[0] ?? null,
      names: async () => ownersOf(await daemon.get('/v1/zone')),
      close: async () => {
        await daemon.stop();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** URLs of fakes at the masters' addresses. Nobody can listen on port 0: such a master has a port that no other has. */
async function startMasters(masters: readonly string[], state: Row, fakes: Fake[]): Promise<readonly string[]> {
  const urls = new Set<string>();
  for (const text of masters) {
    const [ip, given] = splitAddress(text);
    const port = given === 0 ? 5999 : given;
    const url = `http://${hostPort(ip, port)}`;
    if (!urls.has(url)) fakes.push(await startFakeMaster(ip, port, state));
    urls.add(url);
  }
  return [...urls];
}

async function startFunction(
  records: readonly PlainRecord[],
  config: Row,
  strict: boolean,
  apexes: readonly string[] = [],
): Promise<RunningServer> {
  const { zones: _zones, loadbalance, clusterPublicKeyBytes: key, ...rest } = config;
  if (Object.keys(rest).length > 0) throw new Error(`configuration key ${Object.keys(rest).join()} is not understood`);
  const orders = { disabled: 'off', random: 'shuffle', round_robin: 'rotate' } as const;
  const order = orders[(loadbalance ?? 'round_robin') as keyof typeof orders] as
    'off' | 'shuffle' | 'rotate' | undefined;
  if (order === undefined) throw new Error(`loadbalance ${String(loadbalance)} is not understood`);
  const tcp = bindTcp('127.0.0.1', 0);
  const dns = createDnsFunction({
    tcp: [tcp],
    udp: [await bindUdp('127.0.0.1', tcp.port)],
    ...(key === undefined ? {} : { clusterId: zBase32(Buffer.from(String(key), 'latin1')) }),
    loadbalance: order,
    strict,
    log: silentLogger,
    metrics: createMetrics(),
    clock: systemClock,
    random: seededRandom(1),
  });
  const table = tableOf(records, strict, apexes);
  await dns.plane.replace(table);
  await dns.start();
  return {
    dns: { host: '127.0.0.1', port: tcp.port },
    http: null,
    dcosNet: null,
    names: () => Promise.resolve([...table.keys()].map((name) => name.replace(/\.$/, ''))),
    close: () => dns.stop(),
  };
}

/** Owners in a listing of the zone, `NAME TTL IN TYPE RDATA` a line. */
const ownersOf = (listing: string): readonly string[] => [
  ...new Set(listing.split('\n').flatMap((line) => /^(\S+)\. /.exec(line)?.[1] ?? [])),
];

/** Apexes of the zones that are given, except the copy of Mesos-DNS's, which nobody holds. */
const zonesOf = (config: Row): readonly string[] =>
  Object.keys((config['zones'] ?? {}) as object).filter((zone) => zone !== 'mesos.thisdcos.directory');

function zoneRecords(config: Row): readonly PlainRecord[] {
  const zones = (config['zones'] ?? {}) as Readonly<Record<string, readonly PlainRecord[]>>;
  // The copy of Mesos-DNS's zone is answered from the zone itself.
  const held = (name: string): string => name.replace(/\.mesos\.thisdcos\.directory$/, '.mesos');
  return Object.values(zones).flatMap((records) =>
    records.map(([name, type, data]): PlainRecord => [held(name), type, data]),
  );
}

/** A cluster's id is its public key in z-base-32 (specs/dns.md §6.8). */
function zBase32(bytes: Buffer): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => 'ybndrfg8ejkmcpqxot1uwisza345h769'[parseInt(group.padEnd(5, '0'), 2)]).join('');
}

const hostPort = (host: string, port: number): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

function splitAddress(text: string): [host: string, port: number] {
  const place = splitHostPort(text);
  if (place === null) throw new Error(`${text} is no address`);
  return [place.host, place.port];
}
