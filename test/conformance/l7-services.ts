// The services that a case expects, beside those of the daemon's table.

import type { PortEntry, RouteRecord, ServiceEntry, SetEntry } from '../../proxies/router/index.ts';
import { rowOf, rowsOf, same, type Row } from './l7-outcome.ts';

/** `deviation`: what stands instead of the measured servers, by service port. */
export function compareServices(
  table: readonly RouteRecord[],
  expected: readonly Row[],
  deviation: ((service: Row) => Row | null) | null,
): readonly string[] {
  const ports = table.filter((record) => record.kind === 'port');
  return expected.flatMap((measured) => {
    const service = deviation === null ? measured : (deviation(measured) ?? measured);
    const port = ports.find((one) => one.port === service['servicePort']);
    if (port === undefined) return [`service port ${String(service['servicePort'])} is missing`];
    return compareService(port, table, service);
  });
}

function compareService(port: PortEntry, table: readonly RouteRecord[], expected: Row): readonly string[] {
  const service = table.find((record): record is ServiceEntry => record.kind === 'service' && record.id === port.set);
  const set = table.find((record): record is SetEntry => record.kind === 'set' && record.id === port.set);
  if (service === undefined || set === undefined) return [`service port ${port.port} leads to nothing`];
  const servers = set.backends
    .filter((backend) => backend.state !== 'down')
    .map((backend) => ({ address: backend.key, draining: backend.state === 'draining' }));
  const about = `service ${port.port}:`;
  return [
    ...same(`${about} app`, port.appId, expected['appId']),
    ...same(`${about} mode`, port.mode, expected['mode']),
    ...same(`${about} balance`, balanceOf(service), String(expected['balance']).split(/[\s(]/)[0]),
    ...same(`${about} sticky`, service.sticky !== undefined, expected['sticky']),
    ...same(`${about} servers`, servers, sortedServers(expected)),
    ...(expected['check'] === undefined ? [] : compareCheck(service, set, table, rowOf(expected['check']), about)),
  ];
}

function sortedServers(expected: Row): unknown {
  return rowsOf(expected['servers'], 'servers')
    .map(({ address, draining }) => ({ address: String(address), draining }))
    .sort((a, b) => (a.address < b.address ? -1 : 1));
}

/** Our policy in HAProxy's word. */
function balanceOf({ balance }: ServiceEntry): string {
  if (balance === undefined) return 'roundrobin';
  const by = balance.key?.by;
  if (balance.policy !== 'hash') return balance.policy;
  return by === 'uri' ? 'uri' : by === 'query' ? 'url_param' : by === 'header' ? 'hdr' : 'source';
}

function compareCheck(
  service: ServiceEntry,
  set: SetEntry,
  table: readonly RouteRecord[],
  expected: Row,
  about: string,
): readonly string[] {
  const { check } = service;
  if (check === undefined) return [`${about} check is missing`];
  const sibling = `${service.id.slice(0, service.id.lastIndexOf(':'))}:${check.portIndex ?? ''}`;
  const other = table.find((record): record is SetEntry => record.kind === 'set' && record.id === sibling);
  const port = check.port ?? (check.portIndex === undefined ? set : other)?.backends[0]?.port;
  return [
    ...same(`${about} check`, check.kind, expected['type']),
    ...(expected['path'] === undefined ? [] : same(`${about} check path`, check.path, expected['path'])),
    ...(expected['port'] === undefined ? [] : same(`${about} check port`, port, expected['port'])),
    ...same(`${about} interval`, check.intervalMs / 1000, expected['intervalSeconds']),
    ...(expected['timeoutSeconds'] === undefined
      ? []
      : same(`${about} timeout`, check.timeoutMs / 1000, expected['timeoutSeconds'])),
    ...same(`${about} fall`, check.fall, expected['fall']),
  ];
}
