// `isthmus passwd NAME`: a line for a users file, out of a password from stdin.

import { Command } from 'commander';
import { CommandFailure, exitWrong } from './command-failure.ts';
import { print } from './output.ts';
import { readPassword } from './read-password.ts';

/** RFC 1929 leaves one octet for the length of a password. */
const longestBytes = 255;

export function passwdCommand(): Command {
  return new Command('passwd')
    .description('print a line for a users file; the password is read from stdin')
    .argument('<name>', "the user's name")
    .addHelpText(
      'after',
      `
Examples:
  isthmus passwd mainframe >> users.yaml
  printf %s "$PASSWORD" | isthmus passwd mainframe >> users.yaml`,
    )
    .action(async (name: string) => {
      if (!/^[A-Za-z0-9_][\w.@-]{0,254}$/.test(name)) {
        throw new CommandFailure('a user name is made of letters, digits, ".", "_", "@" and "-"', exitWrong);
      }
      const password = await readPassword();
      if (password === '') throw new CommandFailure('the password is empty: write one to stdin', exitWrong);
      if (Buffer.byteLength(password) > longestBytes) {
        throw new CommandFailure(
          `the password is longer than ${longestBytes} bytes, which no SOCKS client can send`,
          exitWrong,
        );
      }
      const { hashPassword } = await import('../../proxies/access/index.ts');
      print(`${name}: "${await hashPassword(password)}"`);
    });
}
