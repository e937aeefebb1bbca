// `sessionLog` of the proxies: where ended sessions are told, and in whose words.

import { defaulted, oneOf, optional, section, text, type Field } from './field.ts';
import type { FileFields } from './file-fields.ts';

export interface SessionLogConfig {
  /** `stderr`, `stdout` or an absolute path. */
  readonly path: string;
  readonly format: 'json' | 'squid' | 'common';
}

export function sessionLogField({ ownFile }: FileFields): Field<SessionLogConfig | null> {
  const fields = section({
    path: defaulted(logPath(ownFile), 'stderr'),
    format: defaulted(oneOf('json', 'squid', 'common'), 'json'),
  });
  return optional(fields, null);
}

/** A file of our own, or a standard stream. */
export function logPath(ownFile: Field<string>): Field<string> {
  return text<string>((value) => {
    if (value === 'stderr' || value === 'stdout') return value;
    const result = ownFile.safeParse(value);
    if (result.success) return result.data;
    return {
      wrong: result.error.issues[0]?.message ?? 'is no path',
      remedy: 'write stderr, stdout or a path in a folder that exists',
    };
  });
}
