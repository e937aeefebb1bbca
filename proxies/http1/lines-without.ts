// Field lines as text, some of them taken out: for the few messages whose fields somebody changes.

/** The lines without those of these names (lower case). */
export function linesWithout(lines: string, gone: ReadonlySet<string>): string {
  if (gone.size === 0) return lines;
  let text = '';
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf('\r\n', at) + 2;
    const name = lines.slice(at, lines.indexOf(':', at)).toLowerCase();
    if (!gone.has(name)) text += lines.slice(at, end);
    at = end;
  }
  return text;
}
