// dcos-net's REST API (`dcosNet`): the list of VIPs in its shape, for programs that read it there (specs/l4lb.md §2.8).

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import { dcosVips, type VipRecord } from '../../lb/index.ts';
import type { Table } from '../ports/index.ts';
import { closeServer, type ControlServer } from './admin/control-server.ts';
import type { ControlOptions } from './control.ts';

export function dcosNetServer(options: ControlOptions, vips: Table<VipRecord>): ControlServer {
  const socket = options.sockets.find((candidate) => candidate.key === 'dcosNet');
  const server = createServer((request, response) => {
    request.resume();
    const path = (request.url ?? '').split('?')[0];
    if (path !== '/v1/vips') {
      response.writeHead(404, { 'Content-Type': 'text/plain' }).end('nothing here but /v1/vips\n');
    } else if (request.method !== 'GET') {
      response.writeHead(405, { Allow: 'GET' }).end();
    } else {
      const body = JSON.stringify(dcosVips(vips));
      const tag = createHash('sha1').update(body).digest('base64');
      response.writeHead(200, { 'Content-Type': 'application/json', ETag: `"${tag}"` }).end(body);
    }
  });
  server.headersTimeout = 10_000;
  return {
    async start() {
      await socket?.tcp?.attach(server);
    },
    stop: () => closeServer(server),
  };
}
