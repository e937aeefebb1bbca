// A SOCKS proxy on loopback and the octets that clients send it.

import type { Test } from 'tap';
import { createSocksFunction, type SocksFunction, type SocksOptions } from '../../../proxies/socks/index.ts';
import { allowCluster, basics, counted, loopbackCluster, type Basics } from '../access/scene.ts';

export interface Scene {
  readonly port: number;
  readonly socks: SocksFunction;
  readonly base: Basics;
  /** Sessions that ended so. */
  ended(labels: Readonly<Record<string, string>>): number;
  datagrams(outcome: string): number;
}

export const names = {
  'echo.own': ['127.0.0.1'],
  'www.example': ['127.0.0.1'],
  'slow.example': { failure: 'timeout', reason: 'nobody answers' },
} as const;

export async function openSocks(t: Test, options: Partial<SocksOptions> = {}): Promise<Scene> {
  const base = basics(names);
  const socks = createSocksFunction({ ...base, rules: allowCluster, users: null, owners: loopbackCluster, ...options });
  await socks.start();
  t.teardown(() => socks.stop());
  return {
    socks,
    base,
    port: (options.listeners ?? base.listeners)[0]?.port ?? 0,
    ended: (labels) => counted(base.metrics, 'socks_sessions_total', labels),
    datagrams: (outcome) => counted(base.metrics, 'socks_udp_datagrams_total', { outcome }),
  };
}

export const portBytes = (port: number): readonly number[] => [port >> 8, port & 0xff];
export const greeting = [5, 1, 0];

/** ATYP, address and port; IPv6 only as ::1. */
export function place(host: string, port: number): readonly number[] {
  if (host === '::1') return [4, ...Array.from({ length: 15 }, () => 0), 1, ...portBytes(port)];
  if (/^[\d.]+$/.test(host)) return [1, ...host.split('.').map(Number), ...portBytes(port)];
  return [3, host.length, ...Buffer.from(host, 'latin1'), ...portBytes(port)];
}

export const request = (command: number, host: string, port: number): readonly number[] => [
  ...[5, command, 0],
  ...place(host, port),
];

export const bytes = (...parts: readonly (readonly number[])[]): Buffer => Buffer.from(parts.flat());

/** Polls what no event tells of. */
export async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 2));
}
