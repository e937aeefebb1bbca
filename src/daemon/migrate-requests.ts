// Connections that wait at a listener which closes: the kernel hands them to another listener of the same address where it is told to, and
// resets them otherwise. Matters for listeners that workers open themselves, beside each other and beside those of a former generation.

import { readFileSync, writeFileSync } from 'node:fs';
import { codeOf, type Logger } from '../runtime/index.ts';
import type { Config } from './config/index.ts';

const setting = '/proc/sys/net/ipv4/tcp_migrate_req';

/** Whether workers open listeners of their own, which come and go with them. */
export const opensOwnListeners = (config: Config, vipPlane: 'kernel' | 'user'): boolean =>
  (config.vips !== null && vipPlane === 'user') || (config.router !== null && config.router.servicePorts !== null);

/**
 * Sets `net.ipv4.tcp_migrate_req`, which belongs to the network namespace and is off by default (node26.md §A1). Where that is not allowed, or the
 * kernel is older than 5.14,
 * says so: listeners are emptied before they close, and all but a few in 10,000 connections are safe without it.
 */
export function migrateRequests(log: Logger, file = setting): void {
  try {
    if (readFileSync(file, 'latin1').trim() === '1') return;
    writeFileSync(file, '1');
    log.info(
      { setting: 'net.ipv4.tcp_migrate_req' },
      'set: connections that wait at a listener which closes go to another',
    );
  } catch (error) {
    const remedy = codeOf(error) === 'ENOENT' ? 'use Linux 5.14 or later' : 'sysctl -w net.ipv4.tcp_migrate_req=1';
    log.info(
      { error: codeOf(error), remedy },
      'net.ipv4.tcp_migrate_req cannot be set; a VIP or service port may reset single connections when workers change',
    );
  }
}
