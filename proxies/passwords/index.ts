// Verification of password hashes that other programs wrote: crypt(3), htpasswd, HAProxy's user lists.

export { createPasswordChecker, type PasswordChecker } from './password-checker.ts';
export { hashProblem, verifyHash } from './password-hash.ts';
