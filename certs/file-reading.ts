// Reads certificate files: again only when their state on disk has changed, and never more than a certificate file can be.

import { readFile, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { codeOf } from '../src/runtime/index.ts';
import { pemBlocks, type PemBlocks } from './pem-blocks.ts';
import { readPkcs12 } from './pkcs12.ts';
import { isRefused, refuse, type Refused } from './refused.ts';

const mostBytes = 1024 * 1024;
/** Folders below a source's: certbot's `live/NAME`, mounted secrets. */
const deepest = 2;

/** What one file holds, or why nothing of it can be used. */
export type FileContent = PemBlocks | Refused;

export interface FileReader {
  /** Null: the file is not there. */
  read(path: string): Promise<FileContent | null>;
  /** Forgets files that are not in `paths`. */
  keep(paths: ReadonlySet<string>): void;
}

export function createFileReader(passphrase: string | null): FileReader {
  const cache = new Map<string, { readonly state: string; readonly content: FileContent }>();
  return {
    async read(path) {
      try {
        // Before the content: what is written meanwhile makes another state.
        const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
        const state = `${ino}/${size}/${mtimeNs}/${ctimeNs}`;
        const held = cache.get(path);
        if (held?.state === state) return held.content;
        const content = size > mostBytes ? tooLarge : contentOf(path, await readFile(path), passphrase);
        cache.set(path, { state, content });
        return content;
      } catch (error) {
        if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null;
        return refuse(`it cannot be read (${codeOf(error)})`, "let the daemon's user read it");
      }
    },
    keep(paths) {
      for (const path of [...cache.keys()]) if (!paths.has(path)) cache.delete(path);
    },
  };
}

/** Files below `directory` that may hold certificates or keys, by folder; null: it is not there, or is no directory. */
export async function listFolders(directory: string): Promise<ReadonlyMap<string, readonly string[]> | null> {
  const folders = new Map<string, readonly string[]>();
  const visit = async (folder: string, depth: number): Promise<void> => {
    const files: string[] = [];
    for (const name of (await readdir(folder)).sort()) {
      // Editors' and tools' own files, and the folders behind mounted secrets.
      if (name.startsWith('.') || name.endsWith('~')) continue;
      const path = join(folder, name);
      const kind = await stat(path).catch(() => null);
      if (kind?.isDirectory() && depth < deepest) await visit(path, depth + 1).catch(() => undefined);
      else if (!kind?.isDirectory() && isCertificateFile(name)) files.push(path);
    }
    folders.set(folder, files);
  };
  try {
    await visit(directory, 0);
    return folders;
  } catch {
    return null;
  }
}

const isCertificateFile = (name: string): boolean =>
  /\.(pem|crt|cer|cert|key|p12|pfx)(\.(key|rsa|ecdsa|dsa))?$/i.test(name);

const tooLarge = refuse('it is larger than 1 MiB', 'put one certificate with its chain and key into a file');

function contentOf(path: string, bytes: Buffer, passphrase: string | null): FileContent {
  if (bytes.length === 0) return refuse('it is empty', 'it is half written: write the file again');
  if (/\.(p12|pfx)$/i.test(basename(path))) {
    const content = readPkcs12(bytes, passphrase);
    return isRefused(content) ? content : pemBlocks(`${content.chain}${content.key}`);
  }
  const blocks = pemBlocks(bytes.toString('latin1'));
  if (blocks.isCut) return refuse('it ends within a block', 'it is half written: write the file again');
  if (blocks.certificates.length + blocks.keys.length === 0)
    return refuse('there is neither certificate nor key in it', 'give PEM, or name PKCS#12 files .p12 or .pfx');
  return blocks;
}
