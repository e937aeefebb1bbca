// A set of fake masters over one source, with a leader that can be moved, stopped and killed.
import type { Disturbance, MasterFaults } from './master-faults.ts';
import { MasterInstance } from './master-instance.ts';
import type { MasterSource } from './master-source.ts';
import type { MesosVersion } from './mesos-version.ts';
import { traitsOf } from './mesos-version.ts';

export interface FakeMastersOptions {
  readonly count?: number;
  readonly version?: MesosVersion;
  // Index of the leader at the start; null for none.
  readonly leader?: number | null;
  readonly host?: string;
  // One per instance; left out, each gets a free one and keeps it over restarts.
  readonly ports?: readonly number[];
  readonly heartbeatMs?: number;
  // Host that redirects name, where it differs from where instances listen.
  readonly advertise?: string;
  readonly faults?: Partial<MasterFaults>;
}

export interface FakeMasters {
  readonly urls: readonly string[];
  // host:port of each, as DC/OS and configuration name them.
  readonly addresses: readonly string[];
  readonly leader: number | null;
  // The given instance's URL, or the leader's (the first instance's while nobody leads).
  url(index?: number): string;
  // Moves the lead; the former leader's streams end. The model keeps its view, as if everything had re-registered at once.
  lead(index: number | null): void;
  // As a real failover: the lead moves and the new leader's view holds recovered agents alone.
  failover(index: number): void;
  stop(index: number): Promise<void>;
  kill(index: number): Promise<void>;
  start(index: number): Promise<void>;
  // Open streams of one instance, or of all.
  subscribers(index?: number): number;
  faults(index?: number): MasterFaults;
  disturb(index: number, what: Disturbance): void;
  inject(index: number, bytes: Uint8Array): void;
  close(): Promise<void>;
}

const HEARTBEAT_MS = 15_000;

export async function startFakeMasters(source: MasterSource, options: FakeMastersOptions = {}): Promise<FakeMasters> {
  let leader = options.leader === undefined ? 0 : options.leader;
  const traits = traitsOf(options.version ?? '1.11');
  const advertised = (address: string): string =>
    options.advertise === undefined ? address : `${options.advertise}:${address.slice(address.lastIndexOf(':') + 1)}`;
  const peers = {
    leadership: (index: number) => ({
      isLeader: index === leader,
      leader: leader === null ? undefined : advertised(instance(leader).address),
    }),
  };
  const instances = Array.from({ length: options.count ?? 1 }, (_, index) => {
    const { host = '127.0.0.1', heartbeatMs = HEARTBEAT_MS, faults = {} } = options;
    return new MasterInstance({
      index,
      host,
      port: options.ports?.[index] ?? 0,
      traits,
      heartbeatMs,
      source,
      peers,
      faults,
    });
  });
  const instance = (index: number): MasterInstance => {
    const found = instances[index];
    if (found === undefined) throw new Error(`No master ${String(index)}`);
    return found;
  };
  const lead = (index: number | null): void => {
    const former = leader;
    leader = index;
    if (former !== null && former !== index) instance(former).endStreams();
  };
  await Promise.all(instances.map((each) => each.start()));
  return {
    urls: instances.map(({ url }) => url),
    addresses: instances.map(({ address }) => address),
    get leader() {
      return leader;
    },
    url: (index) => instance(index ?? leader ?? 0).url,
    lead,
    failover(index) {
      if (leader !== null) instance(leader).endStreams();
      source.failover?.();
      leader = index;
    },
    stop: (index) => instance(index).stop(false),
    kill: (index) => instance(index).stop(true),
    start: (index) => instance(index).start(),
    subscribers: (index) =>
      (index === undefined ? instances : [instance(index)]).reduce((sum, { subscribers }) => sum + subscribers, 0),
    faults: (index) => instance(index ?? leader ?? 0).faults.values,
    disturb(index, what) {
      instance(index).disturb(what);
    },
    inject(index, bytes) {
      instance(index).inject(bytes);
    },
    async close() {
      await Promise.all(instances.map((each) => each.stop(true)));
    },
  };
}
