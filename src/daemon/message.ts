// What control and worker say to each other, over a unix socket as JSON lines or in memory where both live in one process.

import type { TryReport } from '../../lb/index.ts';
import type { BackendKey } from '../cluster/index.ts';
import type { AddressChange, MetricJson } from '../runtime/index.ts';
import type { ServedCertificate, TlsMaterial } from '../../certs/index.ts';
import type { AnyChange, AnyRecord } from './tables.ts';

/**
 * Raised when the messages change so that the two ends of different versions would misunderstand each other. 2: rows are hashed differently.
 * 3: rows of the zone are text, and hashed differently again.
 */
export const protocolVersion = 3;

/**
 * Ends that speak these are talked to as well, by rows as they know them and without hashes: they make others of the same rows, and would
 * ask for everything for ever. To those of the first a table that is left out is an empty one.
 */
export const firstProtocol = 1;
export const isFormer = (protocol: number): boolean => protocol >= firstProtocol && protocol < protocolVersion;

/** Tables in the order in which their changes are applied: addresses before the names that point at them. */
export const tableNames = ['owners', 'vips', 'routes', 'forwards', 'zone'] as const;
export type TableName = (typeof tableNames)[number];

/** Of workers, by key and name: `vips.user`, `tcp web.marathon:80`. */
export type ListenerGroups = Readonly<Record<string, Readonly<Record<string, string>>>>;
export type ListenerChanges = Readonly<Record<string, AddressChange>>;

export type ListenerAddresses = Readonly<Record<string, readonly string[] | Readonly<Record<string, string>>>>;

export type ControlMessage =
  /** `takesChanges`: of reports; absent in earlier versions. */
  | {
      readonly type: 'hello';
      readonly protocol: number;
      readonly generation: number;
      readonly pid: number;
      readonly takesChanges?: boolean;
    }
  /** A full table follows in `rows`, in force with the `whole` that ends it. */
  | { readonly type: 'begin' }
  | { readonly type: 'rows'; readonly table: TableName; readonly rows: readonly (readonly [string, AnyRecord])[] }
  /** `without`: tables that are not to be had now: the worker keeps what it has of them. */
  | {
      readonly type: 'whole';
      readonly version: number;
      readonly hashes: TableHashes;
      readonly without: readonly TableName[];
    }
  | {
      readonly type: 'change';
      readonly from: number;
      readonly version: number;
      readonly changes: Readonly<Partial<Record<TableName, AnyChange>>>;
      readonly hashes: TableHashes;
    }
  /** Open the listeners now: the tables are there, or there is no telling when they come. */
  | { readonly type: 'start' }
  | { readonly type: 'read'; readonly id: number }
  /** How much is under way at these backends? */
  | { readonly type: 'count'; readonly id: number; readonly backends: readonly BackendKey[] }
  /** Certificates with their keys, some at a time, ahead of a `tls` that names them. Never logged. */
  | { readonly type: 'certificates'; readonly certificates: readonly ServedCertificate[] }
  /** What TLS listeners serve by from now on. */
  | ({ readonly type: 'tls'; readonly version: number } & TlsOrder)
  | { readonly type: 'reopen' };

/** The material for TLS, whose certificates were sent before and are named by their ids. */
export interface TlsOrder extends Pick<TlsMaterial, 'ticketKeys' | 'challenges' | 'staples'> {
  readonly order: readonly string[];
  readonly fallback: string | null;
}

export type TableHashes = Readonly<Partial<Record<TableName, number>>>;

export interface WorkerHello {
  readonly type: 'hello';
  readonly protocol: number;
  readonly generation: number;
  readonly slot: number;
  readonly pid: number;
  readonly started: boolean;
}

export type WorkerMessage =
  | WorkerHello
  /** Every plane serves by this version. */
  | { readonly type: 'applied'; readonly version: number }
  /** Handshakes are made by this version of the material for TLS. */
  | { readonly type: 'tlsApplied'; readonly version: number }
  /** The worker's tables are not what the hashes say, or it missed a change: it wants everything. */
  | { readonly type: 'resync'; readonly reason: string }
  | WorkerReport
  | WorkerReportChange
  | { readonly type: 'metrics'; readonly id: number; readonly metrics: readonly MetricJson[] }
  /** The sum over the backends that control asked for. */
  | { readonly type: 'counted'; readonly id: number; readonly inFlight: number }
  /** What came of tries since the last word, a bounded number of backends at a time. */
  | { readonly type: 'tries'; readonly reports: readonly TryReport[] };

/** Sent when the functions have started; what changes then is a `WorkerReportChange`, or another report to a control that knows none. */
export interface WorkerReport {
  readonly type: 'report';
  /** Of the configuration in force. */
  readonly edition: number;
  readonly listeners: ListenerGroups;
  /** `FUNCTION: what, why, remedy` for each function or part of one that does not serve. */
  readonly problems: readonly string[];
  /** Functions that serve. */
  readonly serving: readonly string[];
}

/** What a report says now, and what changed in its listeners, which are as many as the cluster has VIPs. */
export interface WorkerReportChange extends Omit<WorkerReport, 'type' | 'listeners'> {
  readonly type: 'reportChange';
  readonly listeners: ListenerChanges;
}
