// The whole configuration: which sections there are, and what each becomes.

import { type CertificateSourceConfig, certsSection } from './certs-section.ts';
import { clusterSection, type ClusterSource } from './cluster-section.ts';
import { type DnsConfig, dnsSection } from './dns-section.ts';
import { optional, optionalSection, required, section, type Field } from './field.ts';
import type { FileFields } from './file-fields.ts';
import { type ForwardConfig, forwardsSection } from './forwards-section.ts';
import { type HealthConfig, healthSection } from './health-section.ts';
import type { Address } from './host-port.ts';
import { type HttpProxyConfig, httpProxySection } from './http-proxy-section.ts';
import {
  type AdminConfig,
  adminSection,
  type LogConfig,
  logSection,
  type ParentsConfig,
  parentsSection,
  type StoreConfig,
  storeSection,
  userField,
  workerMemoryField,
  workersField,
} from './process-sections.ts';
import { type RouterConfig, routerSection } from './router-section.ts';
import { type SocksConfig, socksSection } from './socks-section.ts';
import { listenAddress } from './value-fields.ts';
import { type VipsConfig, vipsSection } from './vips-section.ts';

/** Null is a function that is off. Durations are in ms, sizes in bytes; 0 is "no limit" for both. Paths are absolute. Frozen. */
export interface Config {
  /** At least one. */
  readonly cluster: readonly ClusterSource[];
  readonly dns: DnsConfig | null;
  readonly vips: VipsConfig | null;
  /** Where dcos-net's REST API answers. */
  readonly dcosNet: Address | null;
  readonly router: RouterConfig | null;
  readonly health: HealthConfig | null;
  /** Empty: none are configured. */
  readonly certs: readonly CertificateSourceConfig[];
  readonly socks: SocksConfig | null;
  readonly httpProxy: HttpProxyConfig | null;
  readonly forwards: readonly ForwardConfig[];
  readonly parents: ParentsConfig;
  readonly store: StoreConfig | null;
  readonly admin: AdminConfig | null;
  /** Dropped to after binding, where started as root; null: not dropped. */
  readonly user: string | null;
  readonly workers: number | 'auto';
  /** Octets beyond which a worker is replaced; null: by the machine. */
  readonly workerMemory: number | null;
  readonly log: LogConfig;
}

export function schema(files: FileFields): Field<Config> {
  return section({
    cluster: required(
      clusterSection(files),
      'where the cluster is seen: cluster: [{ mesos: { masters: ["http://10.0.0.11:5050"] } }]',
    ),
    dns: optionalSection(dnsSection()),
    vips: optionalSection(vipsSection()),
    dcosNet: optional(listenAddress, null),
    router: optionalSection(routerSection(files)),
    health: optionalSection(healthSection()),
    certs: optional(certsSection(files), []),
    socks: optionalSection(socksSection(files)),
    httpProxy: optionalSection(httpProxySection(files)),
    forwards: optional(forwardsSection(files), []),
    parents: optional(parentsSection(), {}),
    store: optionalSection(storeSection(files)),
    admin: optionalSection(adminSection(files)),
    user: userField,
    workers: workersField,
    workerMemory: workerMemoryField,
    log: logSection,
  });
}
