// Password hashes as htpasswd files, HAProxy's user lists and labels hold them: which kinds are verified, and the verification.

import { hash, timingSafeEqual } from 'node:crypto';
import { bcrypt } from './bcrypt.ts';
import { md5Crypt } from './md5-crypt.ts';
import { defaultRounds, shaCrypt } from './sha-crypt.ts';

/** More would let a label burn CPU (specs/l7.md §7.3). */
const mostRounds = 100_000;
const mostCost = 14;
/** Longer passwords are wrong: hashing them would cost what the client wants it to. */
const mostPasswordBytes = 512;

const md5Form = /^(\$1\$|\$apr1\$)([^$]{0,8})\$([./0-9A-Za-z]{22})$/;
const shaForm = /^\$([56])\$(?:rounds=(\d{1,9})\$)?([^$]{0,16})\$([./0-9A-Za-z]{43}|[./0-9A-Za-z]{86})$/;
const bcryptForm = /^\$2[aby]\$(\d\d)\$([./0-9A-Za-z]{22})([./0-9A-Za-z]{31})$/;
const sha1Form = /^\{SHA\}([0-9A-Za-z+/]{27}=)$/;
const plainForm = /^\{PLAIN\}/;

/** Why `text` cannot be verified, with no part of it in the answer; null where it can. */
export function hashProblem(text: string): string | null {
  const sha = shaForm.exec(text);
  if (sha !== null) {
    if (Number(sha[2] ?? defaultRounds) > mostRounds) return `it asks for more than ${mostRounds} rounds`;
    return (sha[4] ?? '').length === (sha[1] === '5' ? 43 : 86) ? null : 'its length does not fit its kind';
  }
  const blowfish = bcryptForm.exec(text);
  if (blowfish !== null) {
    const cost = Number(blowfish[1]);
    return cost < 4 || cost > mostCost ? `its cost is not between 4 and ${mostCost}` : null;
  }
  if (md5Form.test(text) || sha1Form.test(text) || plainForm.test(text)) return null;
  return 'it is none of $1$, $5$, $6$, bcrypt, $apr1$ and {SHA}';
}

/** Whether the password is the one of `text`; costs up to a second. A kind that `hashProblem` names fits nothing. */
export function verifyHash(password: Buffer, text: string): boolean {
  if (password.length > mostPasswordBytes || hashProblem(text) !== null) return false;
  const md5 = md5Form.exec(text);
  if (md5 !== null) return same(md5Crypt(password, part(md5, 2), part(md5, 1) as '$1$' | '$apr1$'), part(md5, 3));
  const sha = shaForm.exec(text);
  if (sha !== null) {
    const rounds = Number(sha[2] ?? defaultRounds);
    return same(shaCrypt(password, part(sha, 3), rounds, sha[1] === '5' ? 256 : 512), part(sha, 4));
  }
  const blowfish = bcryptForm.exec(text);
  if (blowfish !== null) return same(bcrypt(password, part(blowfish, 2), Number(blowfish[1])), part(blowfish, 3));
  const sha1 = sha1Form.exec(text);
  if (sha1 !== null) return same(hash('sha1', password, 'base64'), part(sha1, 1));
  return same(hash('sha256', password, 'hex'), hash('sha256', text.replace(plainForm, ''), 'hex'));
}

const part = (match: RegExpExecArray, i: number): string => match[i] ?? '';

function same(a: string, b: string): boolean {
  const left = Buffer.from(a, 'latin1');
  const right = Buffer.from(b, 'latin1');
  return left.length === right.length && timingSafeEqual(left, right);
}
