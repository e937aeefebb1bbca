// Two old systems outside the demo's cluster: one speaks HTTP, one raw TCP. The HTTP proxy and a fixed forward lead to them.

import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo, type Server } from 'node:net';

export interface LegacyServers {
  readonly httpHost: string;
  readonly httpPort: number;
  readonly tcpHost: string;
  readonly tcpPort: number;
  close(): void;
}

const host = '127.0.0.9';

export async function startLegacyServers(): Promise<LegacyServers> {
  const http = createHttpServer((_request, response) => response.end('the old accounting system, over HTTP\n'));
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.end('the old ERP database, over TCP\n');
  });
  const [httpPort, tcpPort] = await Promise.all([listen(http), listen(tcp)]);
  return {
    httpHost: host,
    httpPort,
    tcpHost: host,
    tcpPort,
    close() {
      http.close();
      http.closeAllConnections();
      tcp.close();
    },
  };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, host, () => resolve((server.address() as AddressInfo).port));
  });
}
