// The configuration: YAML in, a frozen Config or every problem at once out.

export { parseDuration } from './duration.ts';
export { isMistake } from './mistake.ts';
export { parseConfig } from './parse-config.ts';
export type { ConfigProblem } from './problem.ts';
export { redacted } from './redacted.ts';
export type { Config } from './schema.ts';
export { Secret } from './secret.ts';

export type { CertificateSourceConfig } from './certs-section.ts';
export type { ClientAuth, ClientTls } from './client-access.ts';
export type { ClusterSource, FileSource, MarathonSource, MesosSource } from './cluster-section.ts';
export type { DnsConfig } from './dns-section.ts';
export type { ForwardConfig, ForwardTarget } from './forwards-section.ts';
export type { HealthConfig } from './health-section.ts';
export type { Address } from './host-port.ts';
export type { HttpProxyConfig } from './http-proxy-section.ts';
export type { IpRange } from './ip-range.ts';
export type { AdminConfig, LogConfig, ParentsConfig, StoreConfig } from './process-sections.ts';
export type { RouterConfig } from './router-section.ts';
export type { AccessRule } from './rules.ts';
export type { SessionLogConfig } from './session-log.ts';
export type { SocksConfig } from './socks-section.ts';
export type { Ensemble, ParentProxy } from './url.ts';
export type { VipsConfig } from './vips-section.ts';
