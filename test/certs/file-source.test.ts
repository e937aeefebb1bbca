// Folders of certificates as people keep them, and every way in which they go wrong, through source and set.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { createCertificateSet, createFileSource, type CertificateSet } from '../../certs/index.ts';
import type { CertificatePicture } from '../../src/ports/index.ts';
import { systemClock } from '../../src/runtime/index.ts';
import { testAuthority } from './authority.ts';

interface Scene {
  readonly folder: string;
  readonly set: CertificateSet;
  write(name: string, text: string): void;
  /** Until what is served and said fits; fails with what it is. */
  settles(served: readonly string[], problems: readonly RegExp[]): Promise<void>;
}

function scene(t: Test, passphrase: string | null = null): Scene {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-files-'));
  const abort = new AbortController();
  const set = createCertificateSet();
  const source = createFileSource({ name: folder, paths: () => [folder], passphrase, clock: systemClock });
  const pictures: CertificatePicture[] = [];
  const run = (async () => {
    for await (const picture of source.watch(abort.signal)) {
      pictures.push(picture);
      set.take(0, picture);
    }
  })();
  t.teardown(async () => {
    abort.abort();
    await run;
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    folder,
    set,
    write: (name, text) => writeFileSync(join(folder, name), text),
    async settles(served, problems) {
      const until = Date.now() + 10_000;
      for (;;) {
        const names = set
          .served()
          .map((one) => one.names[0])
          .sort();
        const said = set
          .problems(Date.now())
          .map(({ origin, reason }) => `${origin.slice(folder.length + 1)}: ${reason}`);
        const fits =
          names.join() === [...served].sort().join() &&
          said.length === problems.length &&
          problems.every((one) => said.some((line) => one.test(line)));
        if (fits || Date.now() > until) {
          t.same(names, [...served].sort());
          t.equal(said.length, problems.length, said.join(' | '));
          for (const one of problems) t.match(said.join('\n'), one);
          return;
        }
        source.look();
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}

t.test('keys together, side by side, in folders; chains in any order, completed by other files', async (t) => {
  const { folder, write, settles, set } = scene(t);
  const root = testAuthority();
  const middle = root.intermediate('middle CA');
  const [a, b, c] = [middle.issue(['a.example']), middle.issue(['b.example']), middle.issue(['c.example'])];
  write('a.pem', `${a.key}${middle.certificate}${a.certificate}${root.certificate}`);
  write('b.crt', b.certificate);
  write('b.key', b.key);
  mkdirSync(join(folder, 'c'));
  write('c/fullchain.pem', c.certificate);
  write('c/privkey.pem', c.key);
  write('root.pem', root.certificate);
  await settles(['a.example', 'b.example', 'c.example'], [/fullchain.pem: incomplete chain/]);
  for (const { names, chain } of set.served())
    t.equal(chain.match(/BEGIN/g)?.length, 2, `${names[0]}: leaf and middle, without the root`);
});

t.test('what is wrong is said by file, and the others serve', async (t) => {
  const { write, settles } = scene(t);
  const ca = testAuthority();
  write('root.pem', ca.certificate);
  const good = ca.issue(['good.example']);
  const other = ca.issue(['other.example']);
  write('good.pem', `${good.certificate}${good.key}`);
  write('mixed.pem', `${other.certificate}${good.key}`);
  write('lonely.crt', other.certificate);
  write('cut.pem', `${good.certificate}${good.key}`.slice(0, 300));
  write('text.pem', 'hello');
  const old = ca.issue(['old.example'], -0.5);
  write('old.pem', `${old.certificate}${old.key}`);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  write('stray.key', privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
  await settles(
    ['good.example', 'old.example'],
    [
      /mixed.pem: the key does not match/,
      /lonely.crt: there is no key/,
      /cut.pem: it ends within a block/,
      /text.pem: there is neither certificate nor key/,
      /old.pem: expired on/,
      /stray.key: it is a key without a certificate/,
    ],
  );
});

t.test('the last good version stays until another one is for its names', async (t) => {
  const { folder, write, settles } = scene(t);
  const ca = testAuthority();
  write('root.pem', ca.certificate);
  const [a, wild] = [ca.issue(['a.example']), ca.issue(['*.example'])];
  write('a.pem', `${a.certificate}${a.key}`);
  await settles(['a.example'], []);
  write('a.pem', 'oops');
  await settles(['a.example'], [/a.pem: .*its last good version serves on/]);
  rmSync(join(folder, 'a.pem'));
  await settles(['a.example'], [/a.pem: it is gone; its last good version serves on/]);
  write('wild.pem', `${wild.certificate}${wild.key}`);
  await settles(['*.example'], [/a.pem: it is gone$/]);
});

t.test('encrypted keys', async (t) => {
  const ca = testAuthority();
  const a = ca.issue(['a.example']);
  const { createPrivateKey } = await import('node:crypto');
  const locked = createPrivateKey(a.key).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'secret',
  }) as string;
  for (const [passphrase, served, problems] of [
    ['secret', ['a.example'], []],
    ['other', [], [/a.pem: wrong passphrase/]],
    [null, [], [/a.pem: its key is encrypted, and there is no passphrase/]],
  ] as const) {
    const { write, settles } = scene(t, passphrase);
    write('a.pem', `${a.certificate}${locked}`);
    write('root.pem', ca.certificate);
    await settles(served, problems);
  }
});
