// Labels as users write them, and the two manglings that turn any text into a DNS label. Shared by VIP names and task names.

/** Label keys and values of a task, app or port; the last one wins where a key is repeated. */
export type Labels = Readonly<Record<string, string>>;

export const noLabels: Labels = Object.freeze({});

const maxLabelLength = 63;

/**
 * One DNS label out of any text, as dcos-net does it: lower case, everything before the first letter or digit skipped, `-` `_` `.`
 * become `-`, the rest dropped; at 63 characters trailing hyphens go and only letters and digits fill up (specs/dns.md §1.2).
 */
export function mangleLabel(text: string): string {
  let label = '';
  let full = false;
  for (let i = 0; i < text.length; i++) {
    const char = mangledChar(text.charCodeAt(i));
    if (char === '' || (label === '' && char === '-') || (full && char === '-')) continue;
    if (label.length === maxLabelLength) break;
    label += char;
    if (label.length === maxLabelLength && !full) {
      label = withoutTrailingHyphens(label);
      full = true;
    }
  }
  return withoutTrailingHyphens(label);
}

/** Mangles each dot-separated piece and joins those of which something is left: dots stay label separators (specs/l4lb.md §1.4). */
export function mangleName(text: string): string {
  return text
    .split('.')
    .map(mangleLabel)
    .filter((piece) => piece !== '')
    .join('.');
}

function mangledChar(code: number): string {
  if (code >= 0x41 && code <= 0x5a) return String.fromCharCode(code + 0x20);
  if ((code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39)) return String.fromCharCode(code);
  return code === 0x2d || code === 0x2e || code === 0x5f ? '-' : '';
}

function withoutTrailingHyphens(label: string): string {
  let end = label.length;
  while (end > 0 && label.charCodeAt(end - 1) === 0x2d) end--;
  return label.slice(0, end);
}
