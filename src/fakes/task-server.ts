// The sockets of one task: an HTTP or TCP server per address, drained or reset as one.
import http from 'node:http';
import net from 'node:net';
import { createTaskHandler } from './task-http.ts';
import type { Sessions, TaskIdentity } from './task-http.ts';
import type { WorkloadAddress, WorkloadPlan } from './workload.ts';

interface TaskServer {
  setHealthy(healthy: boolean): void;
  // Stops accepting and resolves when what was in flight has ended, or was cut after limitMs.
  drain(limitMs: number): Promise<void>;
  // Resets every connection.
  reset(): Promise<void>;
}

const SWEEP_MS = 10;

export async function openTaskServer(plan: WorkloadPlan): Promise<TaskServer> {
  const identity: TaskIdentity = { app: plan.app, taskId: plan.taskId, agent: plan.agent, healthy: true };
  const sockets = new Set<net.Socket>();
  const sessions: Sessions = new Map();
  const servers: net.Server[] = [];
  try {
    for (const address of plan.addresses) servers.push(await listen(address, identity, sockets, sessions));
  } catch (error) {
    await closeServers(servers);
    throw error;
  }
  return {
    setHealthy(healthy) {
      identity.healthy = healthy;
    },
    async drain(limitMs) {
      const closed = closeServers(servers);
      for (const end of [...sessions.values()]) end();
      // A kept-alive connection turns idle when its request has ended, which is not told.
      const sweep = setInterval(() => {
        for (const server of servers) if (server instanceof http.Server) server.closeIdleConnections();
      }, SWEEP_MS);
      const cut = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, limitMs);
      await closed;
      clearTimeout(cut);
      clearInterval(sweep);
    },
    async reset() {
      const closed = closeServers(servers);
      for (const socket of sockets) socket.resetAndDestroy();
      await closed;
    },
  };
}

function listen(
  address: WorkloadAddress,
  identity: TaskIdentity,
  sockets: Set<net.Socket>,
  sessions: Sessions,
): Promise<net.Server> {
  const server = address.serve === 'http' ? httpServer(identity, sessions) : tcpServer(identity, sessions);
  server.on('connection', (socket: net.Socket) => {
    sockets.add(socket);
    socket.once('close', () => {
      sockets.delete(socket);
      sessions.delete(socket);
    });
    socket.on('error', () => {
      socket.destroy();
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address.host, port: address.port }, () => {
      server.off('error', reject);
      resolve(server);
    });
  });
}

function httpServer(identity: TaskIdentity, sessions: Sessions): http.Server {
  const handler = createTaskHandler(identity, sessions);
  const server = http.createServer({ keepAliveTimeout: 60_000 }, handler.request);
  server.on('upgrade', (request: http.IncomingMessage, socket: net.Socket, head: Buffer) => {
    handler.upgrade(request, socket, head);
  });
  return server;
}

function tcpServer(identity: TaskIdentity, sessions: Sessions): net.Server {
  return net.createServer((socket) => {
    sessions.set(socket, () => socket.end());
    socket.write(`${identity.app} ${identity.taskId} ${identity.agent} ${String(process.pid)}\n`);
    socket.pipe(socket);
  });
}

async function closeServers(servers: readonly net.Server[]): Promise<void> {
  await Promise.all(
    servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          // HTTP's own `close` resets whoever has connected and not asked yet.
          net.Server.prototype.close.call(server, () => {
            resolve();
          });
        }),
    ),
  );
}
