// What an OCSP responder says is believed only where every client would.

import { X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readStatusAnswer } from '../../certs/ocsp/status-answer.ts';
import { responderOf, statusRequest } from '../../certs/ocsp/status-request.ts';
import { issueByOpenssl, openssl } from '../feature/tls-site.ts';
import { needs } from '../needs.ts';
import { testAuthority } from './authority.ts';

t.test('answers of openssl, whole and spoilt', { skip: needs('openssl') }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-status-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const write = (name: string, text: string | Buffer): void => writeFileSync(join(folder, name), text);
  const ca = testAuthority();
  const url = 'http://ocsp.example/x';
  const issue = (extensions: readonly string[]) =>
    issueByOpenssl(ca, { names: ['a.example'], newkey: ['rsa:2048'], extensions });
  const leaf = new X509Certificate(issue([`authorityInfoAccess=OCSP;URI:${url}`]).certificate);
  const other = new X509Certificate(issue([]).certificate);
  const issuer = new X509Certificate(ca.certificate);
  const delegated = issueByOpenssl(ca, { names: ['ocsp.example'], newkey: ['rsa:2048'], usage: 'OCSPSigning' });
  const stranger = issueByOpenssl(ca, { names: ['ocsp.example'], newkey: ['rsa:2048'] });
  t.equal(responderOf(leaf), url);
  t.equal(responderOf(other), null);
  const question = statusRequest(leaf, issuer);
  write('ca.pem', ca.certificate);
  write('question.der', question.body);
  write('index.txt', `V\t491231235959Z\t\t${leaf.serialNumber}\tunknown\t/CN=x\n`);
  const answerBy = (signer: { readonly certificate: string; readonly key: string }): Buffer => {
    write('signer.pem', signer.certificate);
    write('signer.key', signer.key);
    const by = ['-CA', 'ca.pem', '-rsigner', 'signer.pem', '-rkey', 'signer.key', '-ndays', '7'];
    openssl(folder, 'ocsp', '-index', 'index.txt', ...by, '-reqin', 'question.der', '-respout', 'answer.der');
    return readFileSync(join(folder, 'answer.der'));
  };
  const now = Date.now();
  const read = (bytes: Buffer, at = now) => readStatusAnswer(bytes, question, issuer, at);
  const own = answerBy(ca);
  t.match(read(own), { status: 'good' });
  t.match(read(answerBy(delegated)), { status: 'good' }, 'by somebody whom the issuer has named');
  t.match(read(answerBy(stranger)), { refused: /nobody whom the issuer/ }, 'by somebody whom it has not');
  t.match(read(own, now + 8 * 86_400_000), { refused: 'the answer is too old' });
  t.match(read(own, now - 86_400_000), { refused: 'the answer is of the future' });
  const about = readStatusAnswer(own, statusRequest(other, issuer), issuer, now);
  t.match(about, { refused: 'the answer is about another certificate' });
  const foreign = new X509Certificate(testAuthority('another CA').certificate);
  t.match(readStatusAnswer(own, question, foreign, now), { refused: /\w/ });
  t.match(read(Buffer.from([0x30, 3, 0x0a, 1, 6])), { refused: 'the responder answered with error 6' });
  for (let at = 0; at < own.length; at++) {
    const spoilt = Buffer.from(own);
    spoilt[at] = (spoilt[at] as number) ^ 0x10;
    const answer = read(spoilt);
    // The responder's own certificate stands in it too, and nobody needs it.
    if ('status' in answer) t.same(answer, read(own), `octet ${at}`);
    if (at % 7 === 0) read(own.subarray(0, at));
  }
});
