// Certificates from files and folders: watched, and looked at every 30 s besides, as watching misses network mounts. A file that is half
// written, broken or gone is a problem; what it last held stays with whoever keeps the set.

import { watch, type FSWatcher } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { CertificatePicture, CertificateProblem, CertificateSource } from '../src/ports/index.ts';
import type { Clock } from '../src/runtime/index.ts';
import { createFileReader, listFolders, type FileContent, type FileReader } from './file-reading.ts';
import { pairFiles } from './pair-files.ts';

export interface FileSourceOptions {
  readonly name: string;
  /** Files and folders, absolute; asked again at each look. */
  readonly paths: () => readonly string[];
  /** Of PKCS#12 files and encrypted keys. */
  readonly passphrase?: string | null;
  readonly clock: Clock;
}

export interface FileSource extends CertificateSource {
  /** `paths` are others now, or somebody wants to be sure. */
  look(): void;
}

const everyMs = 30_000;
/** A file that is being written changes several times. */
const settleMs = 50;

export function createFileSource({ name, paths, passphrase = null, clock }: FileSourceOptions): FileSource {
  let wake = (): void => undefined;
  return {
    name,
    look: () => wake(),
    async *watch(signal) {
      const reader = createFileReader(passphrase);
      const known = new Set<string>();
      const eyes = createEyes(() => wake());
      let last = '';
      try {
        while (!signal.aborted) {
          const woken = nextLook(clock, signal, (call) => void (wake = call));
          const seen = await lookAround(paths(), reader, passphrase);
          await eyes.follow(seen.folders);
          const picture = withGone(seen.picture, paths(), known);
          const print = JSON.stringify(picture);
          if (print !== last && !signal.aborted) yield picture;
          last = print;
          await woken;
        }
      } finally {
        await eyes.follow([]);
      }
    },
  };
}

/** Resolves after the usual time, a little after a call of what `arm` is given, or at the end. */
function nextLook(clock: Clock, signal: AbortSignal, arm: (call: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener('abort', done);
      resolve();
    };
    let timer = clock.after(everyMs, done);
    let isSoon = false;
    arm(() => {
      if (isSoon) return;
      isSoon = true;
      timer.cancel();
      timer = clock.after(settleMs, done);
    });
    signal.addEventListener('abort', done, { once: true });
    if (signal.aborted) done();
  });
}

interface Seen {
  readonly picture: CertificatePicture;
  /** To be watched. */
  readonly folders: readonly string[];
}

async function lookAround(paths: readonly string[], reader: FileReader, passphrase: string | null): Promise<Seen> {
  const groups: (readonly string[])[] = [];
  const folders: string[] = [];
  const problems: CertificateProblem[] = [];
  for (const path of paths) {
    const isFolder = (await stat(path).catch(() => null))?.isDirectory() ?? false;
    const found = isFolder ? await listFolders(path) : null;
    if (found !== null) {
      folders.push(...found.keys());
      groups.push(...found.values());
      continue;
    }
    folders.push(dirname(path));
    if ((await reader.read(path)) === null)
      problems.push({ origin: path, reason: 'it does not exist', hint: 'put it there, or correct the path' });
    else groups.push([path, `${path}.key`, path.replace(/\.[^./]+$/, '.key')]);
  }
  const entries: CertificatePicture['entries'][number][] = [];
  for (const group of groups) {
    const files = new Map<string, FileContent>();
    for (const path of new Set(group)) {
      const content = await reader.read(path);
      if (content !== null) files.set(path, content);
    }
    const picture = pairFiles(files, passphrase);
    entries.push(...picture.entries);
    problems.push(...picture.problems);
  }
  reader.keep(new Set(groups.flat()));
  return { picture: { entries, problems }, folders };
}

/** Adds a problem for each file that had a certificate and is not there any more, as long as somebody names it or its folder. */
function withGone(picture: CertificatePicture, paths: readonly string[], known: Set<string>): CertificatePicture {
  for (const { origin } of picture.entries) known.add(origin);
  const mentioned = new Set([...picture.entries, ...picture.problems].map(({ origin }) => origin));
  const gone: CertificateProblem[] = [];
  for (const origin of known) {
    const isNamed = paths.some((path) => origin === path || origin.startsWith(`${path}/`));
    if (!isNamed) known.delete(origin);
    else if (!mentioned.has(origin))
      gone.push({ origin, reason: 'it is gone', hint: 'put it back, or restart without it' });
  }
  return { entries: picture.entries, problems: [...picture.problems, ...gone] };
}

interface Eye {
  readonly watcher: FSWatcher;
  /** Of the folder that is watched: another one may have come under its path. */
  readonly inode: bigint;
}

/** Watches folders, as files are replaced by renames; what cannot be watched is looked at in its time. */
function createEyes(onChange: () => void): { follow(folders: readonly string[]): Promise<void> } {
  const eyes = new Map<string, Eye>();
  const drop = (folder: string): void => {
    eyes.get(folder)?.watcher.close();
    eyes.delete(folder);
  };
  const open = async (folder: string): Promise<void> => {
    const { ino: inode = null } = (await stat(folder, { bigint: true }).catch(() => null)) ?? {};
    if (eyes.get(folder)?.inode === inode) return;
    drop(folder);
    if (inode === null) return;
    try {
      const watcher = watch(folder, { persistent: false }, onChange);
      watcher.on('error', () => drop(folder));
      eyes.set(folder, { watcher, inode });
      // What came before it was watched has been missed.
      onChange();
    } catch {
      return;
    }
  };
  return {
    async follow(folders) {
      for (const folder of [...eyes.keys()]) if (!folders.includes(folder)) drop(folder);
      for (const folder of folders) await open(folder);
    },
  };
}
