// The users file: what a line may look like, who gets in, and what happens while the file changes.

import { scryptSync } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { createUsers, hashPassword, parseUsers, type Users } from '../../../proxies/access/index.ts';
import { silentLogger, systemClock, type Clock } from '../../../src/runtime/index.ts';

/** Cheap to check; made by the system's function rather than ours. */
function cheapHash(password: string): string {
  const salt = Buffer.from('0123456789abcdef');
  const hash = scryptSync(password, salt, 32, { cost: 16, blockSize: 1, parallelization: 1 });
  return `scrypt$16$1$1$${salt.toString('base64')}$${hash.toString('base64')}`;
}

const hash = cheapHash('s3cret');

t.test('lines', (t) => {
  const text = [
    '# users',
    '',
    '---',
    `bob: "${hash}"`,
    `"eve": '${hash}'`,
    `  carol: ${hash}  # late shift`,
    `'d e': "${hash}"`,
  ].join('\n');
  t.strictSame([...parseUsers(text).users.keys()], ['bob', 'eve', 'carol', 'd e']);
  t.strictSame(parseUsers(text).problems, []);
  t.end();
});

t.test('what is no user is a problem, and is not repeated', (t) => {
  const bad = [
    ...['bob: s3cret', 'bob', `: "${hash}"`, 'bob: "scrypt$15$1$1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA"'],
    ...[
      'bob: "scrypt$1048576$32$1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAA"',
      'bob: "scrypt$16$1$1$AA$AA"',
      'bob: "$2y$10$abc"',
    ],
  ];
  for (const line of bad) {
    const { users, problems } = parseUsers(`${line}\nok: "${hash}"`);
    t.strictSame([...users.keys()], ['ok'], line);
    t.match(problems, [/^line 1 /]);
    t.notOk(problems.join().includes('s3cret'));
  }
  t.end();
});

async function open(path: string, clock: Clock = systemClock): Promise<Users> {
  const users = createUsers({ path, clock, log: silentLogger, wrongPasswords: () => 3 });
  await users.start();
  t.teardown(() => users.stop());
  return users;
}

t.test('a hash of `isthmus passwd` lets its password in', async (t) => {
  const path = join(t.testdir({}), 'users.yaml');
  await writeFile(path, `bob: "${await hashPassword('pässword')}"\n`);
  const users = await open(path);
  t.ok(await users.verify('bob', 'pässword', '10.0.0.1'));
  t.ok(await users.verify('bob', 'pa\u0308ssword', '10.0.0.1'), 'however the umlaut was typed');
  t.notOk(await users.verify('bob', 'password', '10.0.0.1'));
  t.notOk(await users.verify('eve', 'pässword', '10.0.0.1'));
  t.notOk(await users.verify('', '', '10.0.0.1'));
});

t.test('too many wrong passwords of one client', async (t) => {
  const users = await open(join(t.testdir({ 'users.yaml': `bob: "${hash}"\n` }), 'users.yaml'));
  for (let i = 0; i < 3; i++) t.notOk(await users.verify('bob', `guess${i}`, '10.0.0.1'));
  t.notOk(await users.verify('bob', 's3cret', '10.0.0.1'), 'not even the right one is looked at');
  t.ok(await users.verify('bob', 's3cret', '10.0.0.2'));
  t.ok(await users.verify('bob', 's3cret', '10.0.0.1'), 'what is known to be right costs nothing');
});

/** A clock whose one timer is fired by hand. */
function firedByHand(): { readonly clock: Clock; fire(): void } {
  let pending = (): void => undefined;
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    after: (_ms, action) => ((pending = action), { cancel: () => undefined }),
  };
  return { clock, fire: () => pending() };
}

t.test('follows the file, and keeps what it knows while there is none', async (t) => {
  const path = join(t.testdir({ 'users.yaml': `bob: "${hash}"\n` }), 'users.yaml');
  const { clock, fire } = firedByHand();
  const users = await open(path, clock);
  const looked = async (isDone: (i: number) => Promise<boolean>): Promise<boolean> => {
    for (let i = 0; i < 200; i++) {
      fire();
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (await isDone(i)) return true;
    }
    return false;
  };
  t.ok(await users.verify('bob', 's3cret', '10.0.0.1'));
  await rm(path);
  fire();
  await new Promise((resolve) => setTimeout(resolve, 20));
  t.ok(await users.verify('bob', 's3cret', '10.0.0.1'));
  await writeFile(path, `bob: "${cheapHash('changed')}"\n`);
  t.ok(await looked((i) => users.verify('bob', 'changed', `10.1.0.${i}`)), 'the new password');
  t.notOk(await users.verify('bob', 's3cret', '10.0.0.1'), 'the old one is forgotten, cache included');
});

t.test('a file that cannot be read lets nobody in', async (t) => {
  const users = await open(join(t.testdir({}), 'none.yaml'));
  t.match(users.problems(), [/cannot be read/]);
  t.notOk(await users.verify('bob', 's3cret', '10.0.0.1'));
});
