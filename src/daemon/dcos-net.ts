// dcos-net's REST API (`dcosNet`): names, VIPs and agents in its shapes, for programs that read them there (specs/dns.md §6.11,
// specs/l4lb.md §2.8).

import { createHash } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import manifest from '../../package.json' with { type: 'json' };
import { copyOf, dcosNameReply, type ZoneView } from '../../dns/index.ts';
import { dcosVips, detailedVips, type VipRecord } from '../../lb/index.ts';
import type { Snapshot } from '../cluster/index.ts';
import type { Table } from '../ports/index.ts';
import { closeHttpServer } from '../runtime/index.ts';
import type { ControlServer } from './admin/control-server.ts';
import type { ControlOptions } from './control.ts';

/** `vips` is null where there are none: then there is no list of them either. */
export function dcosNetServer(options: ControlOptions, zone: ZoneView, vips: Table<VipRecord> | null): ControlServer {
  const socket = options.sockets.find((candidate) => candidate.key === 'dcosNet');
  const { dns } = options.config;
  const names = { table: zone.table, version: manifest.version, copy: copyOf(dns?.domain ?? 'mesos') };
  const server = createServer((request, response) => {
    request.resume();
    const [path = '', query = ''] = (request.url ?? '').split('?');
    if (request.method !== 'GET') {
      response.writeHead(405, { Allow: 'GET' }).end();
    } else if (path === '/v1/vips' && vips !== null) {
      const isDetailed = new URLSearchParams(query).get('detail') === '1';
      sendVips(response, isDetailed ? detailedVips(vips, zone.snapshot) : dcosVips(vips));
    } else if (path === '/v1/nodes') {
      send(response, 200, JSON.stringify(machines(zone.snapshot)));
    } else {
      const reply = dns === null ? null : dcosNameReply(path, names);
      if (reply === null)
        response.writeHead(404, { 'Content-Type': 'text/plain' }).end('no such path of dcos-net here\n');
      else send(response, reply.status, reply.body === null ? '' : JSON.stringify(reply.body));
    }
  });
  server.headersTimeout = 10_000;
  return {
    async start() {
      await socket?.tcp?.attach(server);
    },
    stop: () => closeHttpServer(server),
  };
}

/** The tag is bare, as the reference writes it; who compares it finds it equal for equal lists. */
function sendVips(response: ServerResponse, vips: readonly object[]): void {
  const body = JSON.stringify(vips);
  const tag = createHash('sha1').update(body).digest('base64');
  response.writeHead(200, { 'Content-Type': 'application/json', ETag: tag }).end(body);
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, body === '' ? {} : { 'Content-Type': 'application/json' }).end(body);
}

/** Masters and agents; public addresses are not known here. */
function machines({ agents, masters }: Snapshot): readonly object[] {
  const named = [...agents.values()].flatMap(({ ip, hostname }) => (ip === null ? [] : [{ ip, hostname }]));
  const all = new Map([...masters.all.map(({ ip }) => ({ ip, hostname: ip })), ...named].map((one) => [one.ip, one]));
  return [...all.values()].map(({ ip, hostname }) => ({ private_ip: ip, hostname, public_ips: [] }));
}
