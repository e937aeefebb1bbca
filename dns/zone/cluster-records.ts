// Records that no task gives: apexes, masters, agents, frameworks, the name server itself (specs/dns.md §3.1, §6.2, §6.4).

import type { Agent, Framework, MasterAddress, Masters } from '../../src/cluster/index.ts';
import { splitHostPort } from '../../src/cluster/index.ts';
import { domainFragment, rfc1123Label, rfc952Label } from '../naming.ts';
import { canonicalAddress, isName } from '../wire/index.ts';
import { dcosZones, reverseZones } from '../zones.ts';
import { addressLines, linesOf, srvLine, under, type Contributions } from './contribution.ts';
import type { ZoneSettings } from './options.ts';
import type { ZoneRr } from './record.ts';
import { agentPointers } from './reverse-records.ts';

/** What is there before any cluster is known: the zones' apexes, the name server's addresses, dcos-net's fixed names. */
export function fixedRecords(settings: ZoneSettings): Contributions {
  const apex: ZoneRr[] = [mesosSoa(settings)];
  apex.push({ type: 'NS', ttl: settings.ttl, target: settings.soaMname });
  const dcosApex: ZoneRr[] = [dcosSoa(settings), { type: 'NS', ttl: 3600, target: 'ns.spartan.' }];
  const isOwnServer = settings.soaMname.endsWith(`.${settings.zone}`);
  return [
    ...under(settings.zone, linesOf(apex)),
    ...Object.values(dcosZones).flatMap((zone) => under(zone, linesOf(dcosApex))),
    ...Object.values(reverseZones).flatMap((zone) => under(zone, linesOf(apex))),
    ...(isOwnServer ? under(settings.soaMname, addressLines(settings.listenAddresses, settings.ttl)) : []),
    // Its first name, under which programs of that age still look for it.
    ...under(`mesos-dns.${settings.zone}`, addressLines(settings.listenAddresses, settings.ttl)),
    ...under(dcosZones.thisnode, addressLines(ownAddresses(settings), settings.dcosTtl)),
    ...under('localhost.', addressLines(['127.0.0.1'], settings.dcosTtl)),
    ...under('ready.spartan.', addressLines(['127.0.0.1'], settings.dcosTtl)),
    ...under('ns.spartan.', addressLines(['198.51.100.1'], settings.dcosTtl)),
  ];
}

function mesosSoa(settings: ZoneSettings): ZoneRr {
  const { soaMname: mname, soaRname: rname, soaRefresh: refresh, soaRetry: retry, soaExpire: expire } = settings;
  return {
    type: 'SOA',
    ttl: settings.ttl,
    mname,
    rname,
    serial: 0,
    refresh,
    retry,
    expire,
    minimum: settings.soaMinimum,
  };
}

function dcosSoa({ dcosTtl: ttl, dcosSerial: serial, negativeTtl }: ZoneSettings): ZoneRr {
  const names = { mname: 'ns.spartan.', rname: 'support.mesosphere.com.' };
  return {
    type: 'SOA',
    ttl,
    ...names,
    serial,
    refresh: 60,
    retry: 180,
    expire: 86400,
    minimum: Math.min(1, negativeTtl),
  };
}

/** Of this machine, as others reach it: neither loopback, if there is more, nor the addresses that dcos-net has on every machine alike. */
function ownAddresses({ listenAddresses }: ZoneSettings): readonly string[] {
  const isEverywhere = (ip: string): boolean => /^198\.51\.100\.|^fd01:d::|^127\.|^::1$/.test(ip);
  const own = listenAddresses.filter((ip) => !isEverywhere(ip));
  const usable = own.length > 0 ? own : listenAddresses;
  return [usable.find((ip) => !ip.includes(':')), usable.find((ip) => ip.includes(':'))].filter(
    (ip) => ip !== undefined,
  );
}

/** leader, master, masterN below the domain; leader, master and zk-N in dcos-net's zones. */
export function masterRecords(known: Masters, settings: ZoneSettings): Contributions {
  const masters = settings.leader === null ? known : { leader: settings.leader, all: known.all };
  const { zone, ttl, dcosTtl } = settings;
  const leader = masters.leader === null ? [] : [masters.leader.ip];
  const all = [...leader, ...masters.all.map(({ ip }) => ip)];
  const port = masters.leader?.port;
  const services = port === undefined ? [] : [srvLine(0, settings.srvWeight, ttl, port, `leader.${zone}`)];
  return [
    ...under(`leader.${zone}`, addressLines(leader, ttl)),
    ...under(`_leader._tcp.${zone}`, services),
    ...under(`_leader._udp.${zone}`, services),
    ...under(`master.${zone}`, addressLines(all, ttl)),
    ...numbered(masters, settings).flatMap((ip, i) => under(`master${i}.${zone}`, addressLines([ip], ttl))),
    ...under(`leader.${dcosZones.dcos}`, addressLines(leader, dcosTtl)),
    ...under(`master.${dcosZones.dcos}`, addressLines(all, dcosTtl)),
    ...zkRecords(masters, dcosTtl),
  ];
}

/** Addresses of master0, master1 …: in order, each address once; a leader that is not listed comes last (§3.1). */
function numbered(masters: Masters, settings: ZoneSettings): readonly string[] {
  const list = settings.masterOrder === 'stable' ? sorted(masters) : masters.all;
  const { leader } = masters;
  const isLeader = (master: MasterAddress): boolean => master.ip === leader?.ip && master.port === leader.port;
  const ips = new Set<string>();
  for (const master of list) if (isLeader(master) || master.ip !== leader?.ip) ips.add(master.ip);
  if (leader !== null) ips.add(leader.ip);
  return [...ips];
}

function sorted(masters: Masters): readonly MasterAddress[] {
  const all = masters.leader === null ? masters.all : [...masters.all, masters.leader];
  const rank = ({ ip, port }: MasterAddress): string =>
    `${ip
      .split('.')
      .map((part) => part.padStart(3, '0'))
      .join('.')}:${port}`;
  return [...all].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

/** Five names whatever the number of masters: their list is repeated (§6.4). */
function zkRecords(masters: Masters, ttl: number): Contributions {
  const ips = [...new Set(masters.all.map(({ ip }) => ip))];
  if (ips.length === 0) return [];
  return [0, 1, 2, 3, 4].flatMap((i) => under(`zk-${i + 1}.zk.`, addressLines([ips[i % ips.length] as string], ttl)));
}

/** The agent's share of `slave` and of its SRV. */
export function agentRecords(agent: Agent, settings: ZoneSettings): Contributions {
  const ips = agent.ips.length > 0 || agent.ip === null ? agent.ips : [agent.ip];
  const addresses = addressLines(ips, settings.ttl);
  if (addresses.length === 0) return [];
  const target = `slave.${settings.zone}`;
  const srv = srvLine(0, settings.srvWeight, settings.ttl, agent.port, target);
  const reverse = agentPointers(agent, ips, settings);
  return [...under(target, addresses), ...reverse, `_slave._tcp.${settings.zone}`, srv];
}

/** Where the framework's scheduler is, taken from its pid, else from its host name; `ips` are those of a name. */
export function frameworkRecords(framework: Framework, settings: ZoneSettings): Contributions {
  const fragment = domainFragment(framework.name, settings.enforceRFC952 ? rfc952Label : rfc1123Label);
  const name = `${fragment}.${settings.zone}`;
  if (fragment === '' || !isName(`_framework._tcp.${name}`)) return [];
  const pid = framework.pid === null ? null : splitHostPort(framework.pid.trim().replace(/^[^@]*@/, ''));
  const address = canonicalAddress(pid?.host ?? framework.hostname);
  const found = addressLines(address === null ? (framework.ips ?? []) : [address], settings.ttl);
  if (found.length === 0) return [];
  const srv = pid === null ? [] : [srvLine(0, settings.srvWeight, settings.ttl, pid.port, name)];
  return [...under(name, found), ...under(`_framework._tcp.${name}`, srv)];
}
