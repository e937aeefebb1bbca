// The demo: serves within a minute, each command that it prints works as printed, and Ctrl-C leaves nothing behind.

import { execFile, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import t from 'tap';
import { needs } from '../needs.ts';
import { isthmus } from './daemon.ts';

const run = promisify(execFile);

interface Printed {
  readonly shows: string;
  readonly command: string;
}

/** What each command must show, by the line above it. */
const expected: Readonly<Record<string, RegExp>> = {
  'DNS: where the homepage runs': /^127\.\d+\.\d+\.\d+\n127\./,
  'DNS: with ports': /^0 1 8080 web-homepage-\w{5}-s\d\.marathon\.mesos\.$/m,
  'DNS: the leading master': /^127\.0\.0\.1$/m,
  'DNS: the address of a VIP': /^127\.25[0-3]\.\d+\.\d+$/m,
  'Router: by host name': /\/?web\.homepage|\/homepage\/web/,
  'Router: by path': /tomcat/,
  'Router: an app of the second Marathon': /e-contract/,
  'Router: over TLS and HTTP/2': /homepage/,
  'VIP: balanced over both instances': /homepage/,
  'SOCKS: cluster names from outside': /tomcat/,
  'HTTP proxy: to a task': /homepage/,
  'HTTP proxy: to an old system': /accounting/,
  'Forward: to an old database': /ERP/,
  'Why a request goes where it goes': /groupware/,
  'Every route': /www\.homepage\.example/,
  'Deploy: scale the homepage, and watch the names follow': /deploymentId/,
};

t.setTimeout(110_000);

t.test('the demo', { skip: needs('dig', 'curl'), timeout: 110_000 }, async (t) => {
  const demo = spawn(process.execPath, [isthmus, 'demo'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = new Promise<number | null>((resolve) => demo.once('exit', (code) => resolve(code)));
  t.teardown(() => demo.kill('SIGKILL'));
  let stderr = '';
  demo.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
  const stdout = await untilPrinted(demo.stdout, 'Ctrl-C ends it', exited).catch((error: unknown) => {
    throw new Error(`${String(error)}\n${stderr}`);
  });
  const commands = parse(stdout);
  t.same(commands.map((one) => one.shows).sort(), Object.keys(expected).sort(), 'every command is known here');
  for (const { shows, command } of commands) {
    const answer = await run('bash', ['-c', command], { timeout: 20_000 }).catch((error: unknown) => ({
      stdout: String(error),
    }));
    t.match(answer.stdout, expected[shows] ?? /^$/, `${shows}: ${command}`);
  }
  const log = /Log +(\S+)/.exec(stdout)?.[1] ?? '';
  const ready = readFileSync(log, 'utf8')
    .split('\n')
    .find((line) => line.includes('"msg":"ready"'));
  t.same((JSON.parse(ready ?? '{}') as { degraded?: unknown }).degraded, [], 'nothing is degraded');
  const children = descendants(demo.pid ?? 0);
  t.ok(children.length > 5, `${children.length} processes run`);
  demo.kill('SIGINT');
  t.equal(await exited, 0, 'ends in peace');
  t.same(children.filter(isAlive), [], 'no process is left');
  t.notOk(existsSync(log), 'no file is left');
});

function untilPrinted(stream: NodeJS.ReadableStream, text: string, exited: Promise<number | null>): Promise<string> {
  return new Promise((resolve, reject) => {
    let seen = '';
    stream.on('data', (part: Buffer) => {
      seen += part.toString();
      if (seen.includes(text)) resolve(seen);
    });
    void exited.then((code) => reject(new Error(`ended with ${String(code)} before it served`)));
  });
}

function parse(stdout: string): readonly Printed[] {
  return [...stdout.matchAll(/^ {2}# (.+)\n {2}(.+)$/gm)].map(([, shows = '', command = '']) => ({ shows, command }));
}

function descendants(pid: number): readonly number[] {
  const parents = new Map<number, number>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // Gone meanwhile.
    }
  }
  const found = [pid];
  for (const ancestor of found) for (const [child, parent] of parents) if (parent === ancestor) found.push(child);
  return found.slice(1);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
