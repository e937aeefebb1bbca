#!/usr/bin/env node
// Starts isthmus on a Node that can run it. Plain JavaScript for Node 20 and later; must not import anything of the
// project before it knows which Node it runs on.
//
// Three ways, the first that applies:
// 1. this Node is new enough: the program is imported here, nothing is spawned;
// 2. this Node can replace itself (process.execve): it becomes the pinned Node, same pid, so no signal needs passing on;
// 3. the pinned Node is a child. It is the leader of a session of its own, so what a terminal sends to the process group
//    (Ctrl-C, hang-up) reaches this process alone and is passed on once, like what `kill` sends. The child holds one end
//    of a pair of sockets whose other end is here: should this process die without a word (kill -9), the child reads the
//    end of it and drains as after SIGTERM.
//
// Sockets that systemd passes (LISTEN_FDS) come through each way. In the third, LISTEN_PID is taken out of the
// environment after it was checked, since the child's pid is another: LISTEN_FDS without LISTEN_PID is to be trusted.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const oldest = [26, 10];
const launcher = fileURLToPath(import.meta.url);
const lifelineVariable = 'ISTHMUS_LIFELINE_FD';
// None so far, and never --disable-sigusr1: it keeps the signal from the program's own handlers too.
const nodeFlags = [];
const passedOn = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH', 'SIGCONT'];

// Until the program has handlers of its own, SIGUSR1 must not start Node's inspector.
process.on('SIGUSR1', () => {});

if (isNewEnough()) {
  watchLifeline();
  keepCompiled(dirname(dirname(launcher)));
  await import(pathToFileURL(findProgram()).href);
} else {
  const node = findPinnedNode();
  if (node === undefined || process.env[lifelineVariable] !== undefined) refuse();
  else if (process.execve !== undefined && systemdSockets() === 0) replaceBy(node);
  else runAsChild(node);
}

function isNewEnough() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  return major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);
}

/** The source in a checkout; what was compiled in a package, since Node strips no types below node_modules. */
function findProgram() {
  const root = dirname(dirname(launcher));
  const source = join(root, 'src', 'cli', 'main.ts');
  const isPackage = root.split(sep).includes('node_modules');
  return !isPackage && existsSync(source) ? source : join(root, 'dist', 'src', 'cli', 'main.js');
}

/**
 * Keeps what Node compiles beside the program, for the next start and for the processes that the daemon starts (NODE_COMPILE_CACHE goes on
 * to them): half of what a start costs. What is read back is run, as root too, so nobody may write there who may not write the program.
 * Where that cannot be, on a read-only disk or in somebody else's folder, all works without it. NODE_COMPILE_CACHE names another place, NODE_DISABLE_COMPILE_CACHE=1
 * keeps nothing.
 */
function keepCompiled(root) {
  if (process.env.NODE_COMPILE_CACHE !== undefined || process.env.NODE_DISABLE_COMPILE_CACHE !== undefined) return;
  const directory = join(root, '.cache', 'compiled');
  const umask = process.umask();
  // Node makes a folder in it, which would be everybody's under a umask of 0.
  process.umask(umask | 0o022);
  try {
    const program = statSync(root);
    if (program.uid !== process.geteuid()) return;
    mkdirSync(directory, { recursive: true });
    if (![directory, dirname(directory)].every((folder) => isAsSafe(statSync(folder), program))) return;
    const { status } = module.enableCompileCache(directory);
    if (status === module.constants.compileCacheStatus.ENABLED) process.env.NODE_COMPILE_CACHE = directory;
  } catch {
    // It is for speed alone.
  } finally {
    process.umask(umask);
  }
}

function isAsSafe(folder, program) {
  return folder.uid === program.uid && (folder.mode & ~program.mode & 0o022) === 0;
}

function findPinnedNode() {
  if (process.platform !== 'linux') return undefined;
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`);
    const node = join(dirname(manifest), 'bin', 'node');
    return existsSync(node) ? node : undefined;
  } catch {
    return undefined;
  }
}

function refuse(reason = '') {
  const wanted = oldest.join('.');
  const pinned = `node-linux-${process.arch}`;
  process.stderr.write(
    `isthmus: needs Node.js ${wanted} or newer; this is ${process.version}, and the pinned one ` +
      `(package ${pinned}) ${reason === '' ? 'is not installed' : `does not start: ${reason}`}.\n` +
      `Install Node.js ${wanted} or newer, or run \`npm ci\` without --omit=optional ` +
      `(the pinned one exists for Linux on x64 and arm64).\n`,
  );
  process.exitCode = 2;
}

function replaceBy(node) {
  process.execve(node, [node, ...nodeFlags, launcher, ...process.argv.slice(2)], process.env);
}

function runAsChild(node) {
  const sockets = systemdSockets();
  const { LISTEN_PID: _, ...env } = process.env;
  if (sockets === 0) for (const name of ['LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  env[lifelineVariable] = String(3 + sockets);
  // Whom systemd knows, and what the program tells it as MAINPID.
  env.ISTHMUS_MAIN_PID = String(process.pid);

  // Handlers come first: a signal during the start waits for this turn of the loop to end and is passed on then.
  for (const signal of passedOn) process.on(signal, () => child.kill(signal));
  process.on('SIGTSTP', () => {
    child.kill('SIGSTOP');
    process.kill(process.pid, 'SIGSTOP');
  });

  const passedSockets = Array.from({ length: sockets }, (_, index) => 3 + index);
  const child = spawn(node, [...nodeFlags, launcher, ...process.argv.slice(2)], {
    env,
    detached: true,
    stdio: ['inherit', 'inherit', 'inherit', ...passedSockets, 'pipe'],
  });
  child.on('error', (error) => refuse(error.message));
  child.on('exit', leaveLike);
}

/** How many sockets systemd passed to this process; those meant for another pid are none. */
function systemdSockets() {
  if (process.env.LISTEN_PID !== String(process.pid)) return 0;
  const count = Number(process.env.LISTEN_FDS);
  return Number.isInteger(count) && count > 0 ? count : 0;
}

/** Ends this process as the child ended: its exit code, or death by the same signal. */
function leaveLike(code, signal) {
  if (signal === null) process.exit(code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // Still here only if the signal is one that does not kill a Node process.
  setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
}

/** In the child: the end of the launcher counts as SIGTERM. */
function watchLifeline() {
  const fd = process.env[lifelineVariable];
  if (fd === undefined) return;
  delete process.env[lifelineVariable];
  const lifeline = new Socket({ fd: Number(fd) });
  lifeline.on('error', () => {});
  lifeline.on('close', () => process.kill(process.pid, 'SIGTERM'));
  lifeline.resume();
  lifeline.unref();
}
