// The zone: the view that derives names and records from the snapshot, and the records themselves.

export * from './options.ts';
export * from './record-text.ts';
export * from './record.ts';
export type { KeptSerials } from './serials.ts';
export { createZoneView, type RecordSources, type ZoneView } from './view.ts';
