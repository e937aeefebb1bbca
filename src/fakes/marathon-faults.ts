// The ways a fake Marathon can misbehave; switches to set while it runs.
export type MarathonAuth = { readonly user: string; readonly password: string } | { readonly token: string };

export interface MarathonFaults {
  page: 'html-200' | 'html-502' | null;
  // 503 with "Too many concurrent requests", on everything but /ping.
  unavailable: boolean;
  auth: MarathonAuth | null;
  // Every second event overtakes the one before it.
  unorderedEvents: boolean;
  // The share of events that are lost, 0 to 1.
  dropEvents: number;
  // Events that may wait for a slow reader before it is cut off; null takes Marathon's 1024.
  eventBacklog: number | null;
  delayMs: number;
}

export function noMarathonFaults(): MarathonFaults {
  return {
    page: null,
    unavailable: false,
    auth: null,
    unorderedEvents: false,
    dropEvents: 0,
    eventBacklog: null,
    delayMs: 0,
  };
}
