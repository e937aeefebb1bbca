// A PostgreSQL server of a test's own: a new cluster in a temporary folder, without passwords, gone with the test.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { postgresqlPrograms } from '../needs.ts';

export interface Postgresql {
  stop(): Promise<void>;
}

/** Debian's `nobody` and `nogroup`: the server refuses to be root. */
const nobody = 65_534;

/** Serves on one address; the only user is `bob`. Rejects where it does not start. */
export async function startPostgresql(ip: string, port: string): Promise<Postgresql> {
  const programs = postgresqlPrograms() ?? '';
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-postgresql-'));
  const who = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
  if ('uid' in who) chownSync(directory, nobody, nobody);
  const cluster = join(directory, 'cluster');
  const made = spawnSync(
    join(programs, 'initdb'),
    ['-D', cluster, '-U', 'bob', '-A', 'trust', '--no-sync', '--no-instructions', '--locale=C'],
    { ...who, cwd: directory, encoding: 'utf8' },
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const server = spawn(join(programs, 'postgres'), ['-D', cluster, '-h', ip, '-p', port, '-k', '', '-F'], {
    ...who,
    cwd: directory,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const closed = once(server, 'close');
  let said = '';
  for await (const chunk of server.stderr.iterator({ destroyOnReturn: false }))
    if ((said += String(chunk)).includes('ready to accept connections')) break;
  server.stderr.resume();
  if (server.exitCode !== null) throw new Error(`postgres: ${said}`);
  return {
    async stop() {
      // Does not wait for clients.
      server.kill('SIGINT');
      await closed;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
