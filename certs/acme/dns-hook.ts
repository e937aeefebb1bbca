// dns-01 by a program of the user's own (RFC 8555 §8.4): it adds a TXT record, waits until the world sees it, and takes it away again.

import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { ChallengeResponder } from '../../src/ports/index.ts';
import { IsthmusError } from '../../src/runtime/index.ts';

export interface DnsHookOptions {
  /** An executable, called as `hook add|remove _acme-challenge.NAME VALUE`; 0 is success. */
  readonly path: string;
  readonly withinMs: number;
}

const mostOutput = 65_536;

export function createDnsHook({ path, withinMs }: DnsHookOptions): ChallengeResponder {
  const values = new Map<string, string>();
  return {
    type: 'dns-01',
    async present(host, token, keyAuthorization) {
      const value = createHash('sha256').update(keyAuthorization).digest('base64url');
      // Kept before the call: what was added by half must be taken away too.
      values.set(`${host} ${token}`, value);
      await call(path, ['add', recordOf(host), value], withinMs);
    },
    async withdraw(host, token) {
      const value = values.get(`${host} ${token}`);
      values.delete(`${host} ${token}`);
      if (value !== undefined) await call(path, ['remove', recordOf(host), value], withinMs);
    },
  };
}

const recordOf = (host: string): string => `_acme-challenge.${host}`;

function call(path: string, args: readonly string[], withinMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(
      path,
      args,
      { timeout: withinMs, killSignal: 'SIGKILL', maxBuffer: mostOutput },
      (error, _out, complaint) => {
        if (error === null) {
          resolve();
          return;
        }
        const said = String(complaint).trim().split('\n').at(-1)?.slice(0, 200) ?? '';
        const why = error.killed === true ? `was not done within ${withinMs / 1000} s` : outcomeOf(error.code);
        const message = `hook ${path} ${args[0] ?? ''} ${why}${said === '' ? '' : `: ${said}`}`;
        reject(new IsthmusError('ACME_HOOK_FAILED', message, { side: 'internal', retryable: true }));
      },
    );
  });
}

const outcomeOf = (code: unknown): string =>
  typeof code === 'number' ? `ended with ${code}` : `cannot be run (${String(code)})`;
