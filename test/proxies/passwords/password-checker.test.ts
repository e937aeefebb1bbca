// The checker over its thread: verdicts come later, then from memory; withdrawn questions stay silent.

import t from 'tap';
import { createPasswordChecker, type PasswordChecker } from '../../../proxies/passwords/index.ts';
import { silentLogger } from '../../../src/runtime/index.ts';

const hash = '$6$abcdefgh$msgktWxVAbjjh3X7lA5LaM7dS/ZfABJL6T4qcRsnjcOTj0kptUvZcrvrXIoO5fgPA9xz6UnF2To2Y7jGc/IZY/';
const verdictOf = (checker: PasswordChecker, password: string): Promise<boolean | null> =>
  new Promise((resolve) => void checker.check(Buffer.from(password), hash, resolve));

t.test('asked once, known afterwards, also where it is wrong', async (t) => {
  const checker = createPasswordChecker(silentLogger);
  t.teardown(() => checker.stop());
  t.equal(checker.known(Buffer.from('geheim'), hash), null);
  const withdrawn = checker.check(Buffer.from('geheim'), hash, () => t.fail('was withdrawn'));
  withdrawn();
  t.same(await Promise.all([verdictOf(checker, 'geheim'), verdictOf(checker, 'falsch')]), [true, false]);
  t.equal(checker.known(Buffer.from('geheim'), hash), true);
  t.equal(checker.known(Buffer.from('falsch'), hash), false);
  t.equal(checker.known(Buffer.from('geheim'), '$1$other'), null, 'a verdict belongs to its hash');
});

t.test('too many at once are turned away, and the rest is answered', async (t) => {
  const checker = createPasswordChecker(silentLogger);
  t.teardown(() => checker.stop());
  const cheap = '{PLAIN}geheim';
  const verdicts = await Promise.all(
    Array.from(
      { length: 300 },
      (_, i) => new Promise((resolve) => void checker.check(Buffer.from(`wrong ${i}`), cheap, resolve)),
    ),
  );
  t.equal(verdicts.filter((verdict) => verdict === null).length, 44);
  t.equal(verdicts.filter((verdict) => verdict === false).length, 256);
});
