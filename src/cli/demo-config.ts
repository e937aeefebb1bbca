// The daemon's configuration in the demo: every function, on ports that need no privilege.

import { join } from 'node:path';
import type { DemoCluster } from './demo-cluster.ts';
import type { LegacyServers } from './demo-legacy.ts';

export interface DemoPorts {
  readonly dns: number;
  readonly http: number;
  readonly https: number;
  readonly socks: number;
  readonly httpProxy: number;
  readonly forward: number;
  readonly admin: number;
}

/** Numbers that are easy to remember; where one is taken the demo takes another. */
export const favouritePorts: DemoPorts = {
  dns: 10053,
  http: 10080,
  https: 10443,
  socks: 11080,
  httpProxy: 13128,
  forward: 15210,
  admin: 19099,
};

/** Loopback addresses for VIPs: no privilege, and nothing of them leaves the machine. */
const vipRange = '127.250.0.0-127.253.255.255';

const storeIn = (directory: string): string => join(directory, 'store');

/** The certificate of the CA that signs for the demo's hosts. */
export const demoAuthority = (directory: string): string => join(storeIn(directory), 'certs/development-ca.pem');

/** `directory`: where the demo keeps its files. */
export function demoConfig(
  demo: DemoCluster,
  legacy: LegacyServers,
  ports: DemoPorts,
  workers: number,
  directory: string,
): string {
  return `cluster:
  - mesos: { masters: [${demo.masters.urls.map((url) => `"${url}"`).join(', ')}] }
  - marathon: { urls: ["${demo.marathon.url}"], name: marathon }
  - marathon: { urls: ["${demo.contract.url}"], name: marathon-contract }
dns:
  listen: ["127.0.0.1:${ports.dns}"]
  http: "127.0.0.1:0"
  upstreams: []
vips:
  plane: user
  range: ${vipRange}
  ipv6: false
router:
  http: ["127.0.0.1:${ports.http}"]
  https: ["127.0.0.1:${ports.https}"]
  groups: [external]
certs:
  - selfSigned: {}
store: { dir: ${JSON.stringify(storeIn(directory))} }
socks:
  listen: ["127.0.0.1:${ports.socks}"]
  rules: [{ allow: { to: [cluster] } }]
httpProxy:
  listen: ["127.0.0.1:${ports.httpProxy}"]
  rules:
    - { allow: { to: [cluster] } }
    - { allow: { to: ["${legacy.httpHost}/32"], ports: [${legacy.httpPort}] }, unsafe: true }
forwards:
  - { listen: "127.0.0.1:${ports.forward}", to: "${legacy.tcpHost}:${legacy.tcpPort}", from: [127.0.0.0/8] }
admin: { listen: "127.0.0.1:${ports.admin}" }
workers: ${workers}
log: { level: info, format: json }
`;
}
