// Leaves that name files, and secrets that may stand in one. Relative paths are relative to the configuration file's folder.

import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { codeOf } from '../../runtime/index.ts';
import { leaf, text, type Field } from './field.ts';
import { isMistake, type Mistake } from './mistake.ts';
import { Secret } from './secret.ts';

const hugeSecretBytes = 65_536;

/** Leaves for one configuration file. All give absolute paths. */
export interface FileFields {
  /** A path that may appear later. */
  readonly path: Field<string>;
  /** A file that must be there and readable. */
  readonly file: Field<string>;
  readonly directory: Field<string>;
  /** A directory that the daemon makes if need be: nothing else may stand there. */
  readonly ownDirectory: Field<string>;
  /** A file that the daemon makes: its folder must be there. */
  readonly ownFile: Field<string>;
  /** The value itself, or `file:PATH` for the content of a file without the newline at its end. */
  readonly secret: Field<Secret>;
}

export function fileFields(folder: string): FileFields {
  const path = (judge: (path: string) => Mistake | null): Field<string> =>
    text<string>((written) => {
      if (written === '' || written.includes('\0')) return { wrong: 'is no path', remedy: 'write a path' };
      const absolute = resolve(folder, written.replace(/^file:(?:\/\/)?/, ''));
      return judge(absolute) ?? absolute;
    }, 'a path');
  return {
    path: path(() => null),
    file: path(unreadableFile),
    directory: path((absolute) =>
      kindOf(absolute) === 'directory' ? null : missingOr(absolute, 'is no directory', 'name a directory'),
    ),
    ownDirectory: path((absolute) =>
      kindOf(absolute) === 'file' ? { wrong: 'is a file, not a directory', remedy: 'name a directory' } : null,
    ),
    ownFile: path((absolute) =>
      kindOf(dirname(absolute)) === 'directory'
        ? null
        : { wrong: 'lies in a folder that does not exist', remedy: `create ${dirname(absolute)}` },
    ),
    secret: leaf((value) => readSecret(value, folder), 'the value, "${NAME}" or file:PATH', true),
  };
}

/** What is at a path; null for nothing, or nothing that may be seen. */
export function kindOf(path: string): 'file' | 'directory' | null {
  try {
    return statSync(path).isDirectory() ? 'directory' : 'file';
  } catch {
    return null;
  }
}

function unreadableFile(path: string): Mistake | null {
  if (kindOf(path) !== 'file') return missingOr(path, 'is a directory, not a file', 'name a file');
  try {
    accessSync(path, constants.R_OK);
    return null;
  } catch (error) {
    return { wrong: `cannot be read (${codeOf(error)})`, remedy: `let the daemon's user read ${path}` };
  }
}

function missingOr(path: string, wrong: string, remedy: string): Mistake {
  return kindOf(path) === null
    ? { wrong: `does not exist (looked for ${path})`, remedy: 'create it, or correct the path' }
    : { wrong, remedy };
}

function readSecret(value: unknown, folder: string): Secret | Mistake {
  if (typeof value !== 'string') return { wrong: 'is not text to YAML', remedy: 'put it in quotes' };
  if (!value.startsWith('file:'))
    return value === '' ? { wrong: 'is empty', remedy: 'write the value, "${NAME}" or file:PATH' } : new Secret(value);
  const content = readSecretFile(resolve(folder, value.replace(/^file:(?:\/\/)?/, '')));
  if (isMistake(content)) return content;
  return content === '' ? { wrong: 'names an empty file', remedy: 'put the value into the file' } : new Secret(content);
}

function readSecretFile(path: string): string | Mistake {
  const mistake = unreadableFile(path);
  if (mistake !== null) return { ...mistake, wrong: `names a file that ${mistake.wrong}` };
  const content = readFileSync(path, 'utf8');
  if (content.length > hugeSecretBytes)
    return { wrong: `names a file that is too large for a secret (${path})`, remedy: 'name the right file' };
  return content.replace(/\r?\n$/, '');
}
