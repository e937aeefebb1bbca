// The command line of isthmus: reads the arguments and runs one command.

import manifest from '../../package.json' with { type: 'json' };

if (process.argv[2] === '--version') {
  process.stdout.write(`${manifest.version}\n`);
} else {
  process.stderr.write('usage: isthmus --version\n');
  process.exitCode = 2;
}
