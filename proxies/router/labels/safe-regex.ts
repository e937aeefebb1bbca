// Expressions of labels, which run in the middle of requests: only those that cannot run for ever (specs/l7.md §2.5). Pure.

const mostCharacters = 512;

/** The source in JavaScript's syntax; null where it is none, too long, refers back or repeats what repeats. */
export function safeRegex(source: string): string | null {
  if (source === '' || source.length > mostCharacters) return null;
  // What JavaScript would read as something else: Go's classes by name, quotes and single bytes.
  if (/\\[1-9kpPCQE]|\(\?<?[=!]/.test(source) || repeatsRepeated(source)) return null;
  const named = inJavaScript(source);
  if (named === null) return null;
  try {
    new RegExp(named);
    return named;
  } catch {
    return null;
  }
}

const namedClasses: Readonly<Record<string, string>> = {
  alnum: 'a-zA-Z0-9',
  alpha: 'a-zA-Z',
  blank: ' \\t',
  digit: '0-9',
  lower: 'a-z',
  space: '\\s',
  upper: 'A-Z',
  word: '\\w',
  xdigit: '0-9a-fA-F',
};

/** Named groups, ends of text, `[[:alpha:]]` and flags for all that follows, as RE2 and PCRE write them; null: flags in the middle. */
function inJavaScript(source: string): string | null {
  const text = source
    .replace(/\(\?P</g, '(?<')
    .replace(/\\(.)/gs, (pair, char: string) => (char === 'A' ? '^' : char === 'z' ? '$' : pair))
    .replace(/\[:(\w+):\]/g, (all, name: string) => namedClasses[name] ?? all)
    .replace(/\(\?:\(\?([ims]+)\)/g, '(?$1:');
  const [, start = '', flags, rest = ''] = /^(\^?)\(\?([ims]+)\)(.*)$/s.exec(text) ?? [];
  if (flags === undefined) return text;
  return start !== '' && rest.includes('|') ? null : `${start}(?${flags}:${rest})`;
}

/** Whether an unbounded repetition stands inside another one: `(a+)+`. */
function repeatsRepeated(source: string): boolean {
  const unbounded: boolean[] = [];
  let inClass = false;
  for (let i = 0; i < source.length; i++) {
    const char = source[i];
    if (char === '\\') i++;
    else if (inClass) inClass = char !== ']';
    else if (char === '[') inClass = true;
    else if (char === '(') unbounded.push(false);
    else if (char === ')') {
      const isInner = unbounded.pop() === true;
      const isRepeated = /^(?:[*+]|\{\d+,\}|\{\d+,\d{2,}\})/.test(source.slice(i + 1));
      if (isInner && isRepeated) return true;
      if ((isInner || isRepeated) && unbounded.length > 0) unbounded[unbounded.length - 1] = true;
    } else if (
      (char === '*' || char === '+' || (char === '{' && /^\{\d+,\}/.test(source.slice(i)))) &&
      unbounded.length > 0
    )
      unbounded[unbounded.length - 1] = true;
  }
  return false;
}

/** Text with `{name}` and `{name:expression}` in it as an expression; null where that is none. `any`: what a bare name stands for. */
export function templateRegex(text: string, any: string): string | null {
  let source = '';
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf('{', at);
    if (open < 0) break;
    const close = closingBrace(text, open);
    if (close < 0) return null;
    const inner = text.slice(open + 1, close);
    const colon = inner.indexOf(':');
    source += `${quoted(text.slice(at, open))}(?:${colon < 0 ? any : inner.slice(colon + 1)})`;
    at = close + 1;
  }
  return safeRegex(source + quoted(text.slice(at)));
}

export const anchored = (source: string, atBothEnds: boolean): string =>
  atBothEnds ? `^(?:${source})$` : `^(?:${source})`;

function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return i;
  }
  return -1;
}

const quoted = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
