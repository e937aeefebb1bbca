// Serials that run ahead of the time, kept in the store's directory: a zone that changes more than once a second for a while must not
// go backwards when control starts again (RFC 1982: secondaries would not follow).

import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { KeptSerials } from '../../dns/index.ts';
import { codeOf, messageOf, type Logger } from '../runtime/index.ts';

/** Serials written down at once: so many changes go by before the file is written again. */
const reserved = 3600;

/** `directory` null: nothing is kept. `now` in epoch milliseconds. Written rarely, and never while serials are those of the clock. */
export function keepSerials(directory: string | null, now: () => number, log: Logger): KeptSerials {
  if (directory === null) return { floor: () => 0, note: () => undefined };
  const path = join(directory, 'dns', 'serials');
  const floors = readFloors(path, log);
  return {
    floor: (apex) => floors.get(apex) ?? 0,
    note(apex, serial) {
      if (serial <= now() / 1000 || serial < (floors.get(apex) ?? 0)) return;
      floors.set(apex, serial + reserved);
      try {
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
        writeFileSync(`${path}.tmp-0`, JSON.stringify(Object.fromEntries(floors)), { mode: 0o600 });
        renameSync(`${path}.tmp-0`, path);
      } catch (error) {
        log.warn({ error: messageOf(error) }, 'serials of DNS zones could not be kept');
      }
    },
  };
}

function readFloors(path: string, log: Logger): Map<string, number> {
  try {
    const kept = Object.entries(JSON.parse(readFileSync(path, 'utf8')) as object);
    return new Map(kept.filter((entry): entry is [string, number] => Number.isSafeInteger(entry[1])));
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') log.warn({ error: messageOf(error) }, 'kept serials of DNS zones cannot be read');
    return new Map();
  }
}
