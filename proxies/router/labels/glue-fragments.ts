// Lines that rewrite paths and Locations: `http-request set-path`, `replace-path`, and HAProxy's older expressions on whole lines of a message.

import type { PathChange } from '../options-record.ts';
import { safeRegex } from './safe-regex.ts';

/** Changes of the path; empty where the labels PROXYPASS_PATH and REVPROXY_PATH say the same; null: not understood. */
export function rewriteLine(line: string, proxypass: string): readonly PathChange[] | null {
  const [, path] = /^http-request +set-path +(\/\S*)$/.exec(line) ?? [];
  if (path !== undefined) return /%\[|\{/.test(path) ? null : [{ change: 'replace', path, reports: false }];
  if (/^http-request +set-header +Host +\{hostname\}$/i.test(line) || isOwnLocation(line)) return [];
  const words = wordsOf(line);
  if (words[0] === 'http-request' && words[1] === 'replace-path' && words.length === 4)
    return replacing(words[2] ?? '', words[3] ?? '', false);
  if ((words[0] === 'reqrep' || words[0] === 'reqirep') && words.length === 3)
    return onRequestLine(words[1] ?? '', words[2] ?? '', words[0] === 'reqirep', proxypass);
  return null;
}

/** Between blanks, of which those in quotes and behind a backslash part nothing. */
function wordsOf(line: string): readonly string[] {
  const words = line.match(/"[^"]*"|(?:\\.|\S)+/g) ?? [];
  return words.map((word) => word.replace(/^"(.*)"$/, '$1').replaceAll('\\ ', ' '));
}

/** REVPROXY's own two lines; with `\3` behind its path that of the address stays, which it does here anyway. */
function isOwnLocation(line: string): boolean {
  if (/^acl +hdr_location +res\.hdr\(Location\) +-m +found$/i.test(line)) return true;
  const text = line.replaceAll('\\ ', ' ').replaceAll('"', '').replace(/\s+/g, ' ');
  return /^rspi?rep \^Location: \(https\?:\/\/\{hostname\}\(:\[0-9\]\+\)\?\)\?\(\/\.\*\) Location: \{rootpath\}(\\3)?( if hdr_location)?$/i.test(
    text,
  );
}

/** `^([^ :]*) PATH` as `\1 PATH`: the method stays, and what is behind the path too. */
function onRequestLine(
  found: string,
  made: string,
  ignoreCase: boolean,
  proxypass: string,
): readonly PathChange[] | null {
  const [, source] = /^\^\(\[\^ :\]\*\) (\/.*|\{proxypath\}.*)$/.exec(found) ?? [];
  const [, text] = /^\\1 (\/.*)$/.exec(made) ?? [];
  if (source === undefined || text === undefined) return null;
  if (source === '{proxypath}/?(.*)' && text === '/\\2') return [];
  const filled = source.replaceAll('{proxypath}', proxypass);
  if (filled.includes('{')) return null;
  // The method was the first group.
  const shifted = text.replace(/\\(\d)/g, (_, digit: string) => `\\${Number(digit) - 1}`);
  return /\\0/.test(shifted) ? null : replacing(`^${filled}`, shifted, ignoreCase);
}

function replacing(source: string, text: string, ignoreCase: boolean): readonly PathChange[] | null {
  const regex = safeRegex(source);
  if (regex === null || text.includes('%[')) return null;
  const replacement = text.replaceAll('$', '$$$$').replace(/\\(\d)/g, '$${$1}');
  return [{ change: 'replace-regex', regex, replacement, ignoreCase, reports: false }];
}
