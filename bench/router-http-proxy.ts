// The npm package `http-proxy` as bench/router's peer: `node router-http-proxy.ts PORT BACKEND_PORT…`.

import { Agent, createServer } from 'node:http';
import httpProxy from 'http-proxy';

const [port = 0, ...backends] = process.argv.slice(2).map(Number);
const agent = new Agent({ keepAlive: true, maxSockets: 1024 });
const proxy = httpProxy.createProxyServer({ agent, xfwd: true });
let next = 0;
proxy.on('error', (_error, _request, response) => void response.end());
createServer((request, response) => {
  const backend = backends[next++ % backends.length] ?? 0;
  proxy.web(request, response, { target: { host: '127.0.0.1', port: backend } });
}).listen(port, '127.0.0.1');
