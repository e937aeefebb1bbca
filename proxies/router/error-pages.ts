// Error pages of the configuration's directory: `503.html` for all, `shop.example/503.html` for one host (specs/l7.md §3.11). Read where
// they are configured and when logs are reopened; a page that is missing or too large is the built-in one.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../src/runtime/index.ts';
import type { LocalAnswer } from '../http1/index.ts';

const mostPageBytes = 256 * 1024;
const pageName = /^([45]\d\d)\.html$/;

export interface ErrorPages {
  /** The answer with the page for its status; programs that ask for JSON keep theirs. */
  dress(answer: LocalAnswer, host: string): LocalAnswer;
  reload(): void;
  problems(): readonly string[];
}

export function openErrorPages(directory: string): ErrorPages {
  let pages = new Map<string, string>();
  let problems: string[] = [];
  const readFolder = (folder: string, host: string, found: Map<string, string>): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      const status = pageName.exec(entry.name)?.[1];
      if (host === '' && statSync(path).isDirectory()) readFolder(path, entry.name.toLowerCase(), found);
      else if (status !== undefined && statSync(path).size > mostPageBytes)
        problems.push(`errorPages: ${path} is larger than ${mostPageBytes} bytes`);
      else if (status !== undefined) found.set(`${host}/${status}`, readFileSync(path, 'utf8'));
    }
  };
  const reload = (): void => {
    problems = [];
    const found = new Map<string, string>();
    try {
      readFolder(directory, '', found);
      pages = found;
    } catch (error) {
      problems.push(`errorPages: ${directory} cannot be read: ${messageOf(error)}`);
    }
  };
  reload();
  return {
    dress(answer, host) {
      if (answer.status < 400 || answer.contentType === 'application/json') return answer;
      const page = pages.get(`${host}/${answer.status}`) ?? pages.get(`/${answer.status}`);
      return page === undefined ? answer : { ...answer, contentType: 'text/html; charset=utf-8', body: page };
    },
    reload,
    problems: () => problems,
  };
}

/** The body of a file for HAProxy's `errorfile`, which holds a whole answer; null: it cannot be read. */
export function readErrorFile(path: string): { readonly contentType: string; readonly body: string } | null {
  try {
    if (statSync(path).size > mostPageBytes) return null;
    const text = readFileSync(path, 'utf8');
    if (!text.startsWith('HTTP/')) return { contentType: 'text/html; charset=utf-8', body: text };
    const [head = '', ...body] = text.split(/\r?\n\r?\n/);
    const contentType = /^content-type:\s*(.+)$/im.exec(head)?.[1]?.trim();
    return { contentType: contentType ?? 'text/html', body: body.join('\n\n') };
  } catch {
    return null;
  }
}
