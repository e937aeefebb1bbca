// Service-discovery DNS: what the composition root puts together.

export { createDnsFunction, privateRanges, type DnsFunction, type DnsFunctionOptions } from './dns-function.ts';
export { explainName, type ExplainOptions, type NameExplanation } from './explain.ts';
export {
  createZoneView,
  ipSources,
  type IpSource,
  type RecordSources,
  type ZoneOptions,
  type ZoneRecord,
  type ZoneRr,
  type ZoneView,
} from './zone/index.ts';
