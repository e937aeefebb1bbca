// What commands print: results on stdout, messages on stderr.

/** A result, with a newline at its end. */
export function print(text: string): void {
  if (text !== '') process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** A word to whoever sits there; never part of a result. */
export function say(message: string): void {
  process.stderr.write(`isthmus: ${message}\n`);
}

/** Whether stdout is looked at by a person who did not ask for plain text (https://no-color.org). */
export function isColourWanted(): boolean {
  return process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '';
}
