// Certificates out of environment variables, as Marathon-LB takes them: `HAPROXY_SSL_CERT`, `HAPROXY_SSL_CERT0` to `100` (specs/l7.md
// §1.14). PEM with certificate and key, line ends as they are or written `\n`. They cannot change while the daemon runs.

import type { CertificatePicture, CertificateProblem, CertificateSource } from '../src/ports/index.ts';
import { pairFiles } from './pair-files.ts';
import { pemBlocks } from './pem-blocks.ts';

type Variables = Readonly<Record<string, string | undefined>>;

/** Names of those that hold something, in the order of their numbers, the one without a number first. */
export function certificateVariables(variables: Variables): readonly string[] {
  const names = ['HAPROXY_SSL_CERT', ...Array.from({ length: 101 }, (_, number) => `HAPROXY_SSL_CERT${number}`)];
  return names.filter((name) => (variables[name] ?? '').trim() !== '');
}

export function createVariableSource(variables: Variables): CertificateSource {
  return {
    name: 'environment',
    async *watch(signal) {
      yield pictureOf(variables);
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
        if (signal.aborted) resolve();
      });
    },
  };
}

function pictureOf(variables: Variables): CertificatePicture {
  const entries: CertificatePicture['entries'][number][] = [];
  const problems: CertificateProblem[] = [];
  for (const name of certificateVariables(variables)) {
    const origin = `environment ${name}`;
    const blocks = pemBlocks((variables[name] ?? '').replaceAll('\\n', '\n'));
    if (blocks.certificates.length === 0) {
      problems.push({ origin, reason: 'there is no certificate in it', hint: 'give PEM of certificate and key' });
      continue;
    }
    // Alone: a key of another variable is not meant for it.
    const picture = pairFiles(new Map([[origin, blocks]]), null);
    entries.push(...picture.entries);
    problems.push(...picture.problems);
  }
  return { entries, problems };
}
