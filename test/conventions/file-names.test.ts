// House rules that a file shows from outside: its name, its first line, its length.

import t from 'tap';
import { longFiles } from './long-files.ts';
import { readSource, sourceFiles } from './sources.ts';

const longest = 400;
const files = sourceFiles();

t.test('files and folders are named in kebab-case', async (t) => {
  const isKebab = (part: string): boolean => /^[a-z0-9]+(-[a-z0-9]+)*(\.test)?(\.ts)?$/.test(part);
  t.strictSame(
    files.filter((file) => !file.split('/').every(isKebab)),
    [],
  );
});

t.test('the first line of a file is a comment that says what it is for', async (t) => {
  t.strictSame(
    files.filter((file) => !saysWhatItIsFor(readSource(file))),
    [],
  );
});

t.test(`no file is longer than ${longest} lines without a reason`, async (t) => {
  const long = files.filter((file) => lines(file) > longest);
  t.strictSame(
    long.filter((file) => longFiles[file] === undefined).map((file) => `${file}: ${lines(file)} lines`),
    [],
  );
  const stale = Object.keys(longFiles).filter((file) => !long.includes(file));
  t.strictSame(stale, [], 'no reason is kept for a file that is short or gone');
});

t.test('what counts as such a first line', async (t) => {
  t.ok(saysWhatItIsFor('// The grammar of names.\n'));
  t.ok(saysWhatItIsFor('/**\n * The grammar of names.\n */\n'));
  t.ok(saysWhatItIsFor('#!/usr/bin/env node\n// Starts the program.\n'));
  t.notOk(saysWhatItIsFor("import t from 'tap';\n// Late comment here.\n"));
  t.notOk(saysWhatItIsFor('// zone.ts\n'));
  t.notOk(saysWhatItIsFor('// eslint-disable-next-line no-console -- it prints\n'));
  t.notOk(saysWhatItIsFor('\n// The grammar of names.\n'));
});

function saysWhatItIsFor(text: string): boolean {
  const comment = /^(?:#!.*\n)?(?:\/\/(.*)|\/\*([^]*?)\*\/)/.exec(text);
  const words = (comment?.[1] ?? comment?.[2] ?? '').match(/[A-Za-z][\w'’.-]*/g) ?? [];
  return words.length >= 2 && !words[0]?.startsWith('eslint-') && !words[0]?.startsWith('prettier-');
}

function lines(file: string): number {
  return readSource(file).trimEnd().split('\n').length;
}
