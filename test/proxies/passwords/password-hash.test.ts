// Hashes that other programs made, each with the program.

import t from 'tap';
import { hashProblem, verifyHash } from '../../../proxies/passwords/index.ts';

/** Of `geheim`, unless said. */
const made: readonly (readonly [hash: string, password?: string])[] = [
  // openssl passwd -1, -5, -6, -apr1
  ['$1$abcdefgh$eKehL.s8tG6zTf8hBtmEF.'],
  ['$5$abcdefgh$azU9PNNJw9essBuwq5yihWY9lFXM0dF54Ph4sAxX.YB'],
  ['$6$abcdefgh$msgktWxVAbjjh3X7lA5LaM7dS/ZfABJL6T4qcRsnjcOTj0kptUvZcrvrXIoO5fgPA9xz6UnF2To2Y7jGc/IZY/'],
  ['$apr1$abcdefgh$bw9gEObk10asetVLiysIZ0'],
  // crypt(3) of glibc
  ['$2b$05$CCCCCCCCCCCCCCCCCCCCC.45cQhYr8.c/La2HgSVKoyKztMyAG9DO'],
  ['$5$saltstring$HE80cZIBUxLL.bS7Ud8vy2RfFEVIyvfBaoUr.RekKl3', 'a'.repeat(100)],
  [
    '$6$saltstringsalt$rJ2gqLmlxFZ3ZVbE4icinX7re2nmxiX1ZUqVgVFVMK/fWBoFN.LATiVfCAJx23Ue/iQ.cPKEJ8zoCI71ZX.ak0',
    'a'.repeat(100),
  ],
  [
    '$6$rounds=2000$abc$1Hq0wDtWjDVKZrpkkz7xYrg8RiLbJNeHTOEOnFwsxh.O7.lLawCyJ.v4d6rlSs3jxjFEFfNDKQ9l.Iz/0h5TK.',
    'geheim',
  ],
  // htpasswd -s
  ['{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', 'password'],
  ['{PLAIN}geheim'],
];

t.test('the right password and no other', (t) => {
  for (const [hash, password = 'geheim'] of made) {
    t.equal(hashProblem(hash), null, hash.slice(0, 6));
    t.ok(verifyHash(Buffer.from(password), hash), `${hash.slice(0, 6)}: right`);
    t.notOk(verifyHash(Buffer.from(`${password}x`), hash), `${hash.slice(0, 6)}: wrong`);
    t.notOk(verifyHash(Buffer.alloc(0), hash), `${hash.slice(0, 6)}: empty`);
  }
  t.end();
});

t.test('what is too dear or unknown is refused, without the hash in the words', (t) => {
  for (const hash of [
    `$6$rounds=900000$abc$${'x'.repeat(86)}`,
    `$2y$31$${'C'.repeat(53)}`,
    `$5$abc$${'x'.repeat(86)}`,
    'ab35FCAFhb2T.',
    '',
  ]) {
    const problem = hashProblem(hash);
    t.ok(problem !== null && (hash === '' || !problem.includes(hash)), hash.slice(0, 10));
    t.notOk(verifyHash(Buffer.from('geheim'), hash));
  }
  t.end();
});
