// A password from stdin: the first line of a pipe, or typed twice at a terminal that does not show it.

import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { CommandFailure } from './command-failure.ts';

/** Without the newline at its end. */
export async function readPassword(): Promise<string> {
  return process.stdin.isTTY ? typedTwice() : firstLine(process.stdin);
}

async function firstLine(stream: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
    if (chunk.includes(0x0a)) break;
  }
  return Buffer.concat(chunks).toString('utf8').split(/\r?\n/, 1)[0] ?? '';
}

async function typedTwice(): Promise<string> {
  // readline puts the terminal into raw mode and echoes to its output: one that swallows everything shows nothing.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const terminal = createInterface({ input: process.stdin, output: nowhere, terminal: true });
  terminal.on('SIGINT', () => process.exit(130));
  const ask = async (prompt: string): Promise<string> => {
    process.stderr.write(prompt);
    const answer = await terminal.question('');
    process.stderr.write('\n');
    return answer;
  };
  try {
    const password = await ask('Password: ');
    if ((await ask('Again: ')) !== password) throw new CommandFailure('the two are not the same');
    return password;
  } finally {
    terminal.close();
  }
}
