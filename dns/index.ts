// Service-discovery DNS: what the composition root puts together.

export { createDnsFunction } from './dns-function.ts';
export type { DnsFunction, DnsFunctionOptions } from './dns-function.ts';
export { dcosNameReply } from './dcos-replies.ts';
export type { DcosReplySource } from './dcos-replies.ts';
export { copyOf } from './renaming.ts';
export { explainName } from './explain.ts';
export type { ExplainOptions, NameExplanation } from './explain.ts';
export { createDnsHttp } from './http.ts';
export type { DnsHttp, DnsHttpOptions } from './http.ts';
export type { DnsHttpSource } from './http-replies.ts';
export { createNotifier } from './transfer/notifier.ts';
export type { Notifier, NotifierOptions } from './transfer/notifier.ts';
export { exportZone } from './zone-metrics.ts';
export { createZoneView, recordOf, textOf } from './zone/index.ts';
export type { IpSource, KeptSerials, RecordSources, ZoneOptions, ZoneRecord, ZoneRr, ZoneView } from './zone/index.ts';
