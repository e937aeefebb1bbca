// What differs between Mesos versions on the wire, as far as a client can notice.
export type MesosVersion = '1.4' | '1.5' | '1.6' | '1.9' | '1.11';

export interface VersionTraits {
  readonly version: string;
  readonly minor: number;
  readonly heartbeats: boolean;
  // Before 1.10 keys came sorted, so that `type` was last, and an empty section was {}.
  readonly sortedKeys: boolean;
  readonly subscriberLimit: number | null;
}

const FULL: Readonly<Record<MesosVersion, string>> = {
  '1.4': '1.4.3',
  '1.5': '1.5.3',
  '1.6': '1.6.2',
  '1.9': '1.9.0',
  '1.11': '1.11.0',
};

export function traitsOf(version: MesosVersion): VersionTraits {
  const minor = Number(version.split('.')[1]);
  return {
    version: FULL[version],
    minor,
    heartbeats: minor >= 5,
    sortedKeys: minor < 10,
    subscriberLimit: minor >= 8 ? 1000 : null,
  };
}
