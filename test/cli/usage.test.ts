// The command line itself: help, version, wrong usage, and which stream and exit code each has.

import t from 'tap';
import manifest from '../../package.json' with { type: 'json' };
import { runIsthmus } from './run-isthmus.ts';

const commands = ['run', 'check', 'demo', 'passwd', 'zone', 'vips', 'routes', 'tasks', 'certs', 'status', 'explain'];

t.test('--version prints the version', async (t) => {
  t.strictSame(await runIsthmus(['--version']), { code: 0, stdout: `${manifest.version}\n`, stderr: '' });
});

t.test('--help names every command, on stdout', async (t) => {
  const { code, stdout, stderr } = await runIsthmus(['--help']);
  t.equal(code, 0);
  t.equal(stderr, '');
  for (const command of commands) t.match(stdout, new RegExp(`^  ${command}\\b`, 'm'));
  t.match(stdout, /Examples:\n/);
});

t.test('--help of each command shows examples', async (t) => {
  const own = commands.filter((command) => command !== 'demo');
  const helps = await Promise.all(own.map((command) => runIsthmus([command, '--help'])));
  helps.forEach(({ code, stdout }, index) => {
    const command = own[index] ?? '';
    t.equal(code, 0, command);
    t.match(stdout, new RegExp(`Usage: isthmus ${command} [^]*Examples:\\n  .*isthmus ${command}`), command);
  });
  t.match(await runIsthmus(['demo', '--help']), { code: 0, stdout: /Usage: isthmus demo/ });
});

t.test('wrong usage is told on stderr, with exit code 2', async (t) => {
  const wrong: readonly [readonly string[], RegExp][] = [
    [[], /Usage: isthmus/],
    [['zon'], /unknown command 'zon'[^]*Did you mean zone\?/],
    [['zone', '--jsn'], /unknown option '--jsn'[^]*--json/],
    [['zone', 'extra'], /too many arguments/],
    [['check'], /required option '--config <file>'/],
    [['run'], /required option '--config <file>'/],
    [['run', '--config', 'x', '--ready-timeout', '60'], /needs a unit: write 60s/],
    [['zone', '--admin', 'ftp://x'], /Write a URL/],
    [['explain'], /missing required argument/],
    [['explain', 'dns'], /explain dns NAME \[TYPE\]/],
    [['explain', 'vip', 'a:1', 'b'], /explain vip NAME:PORT/],
    [['explain', 'http://a/', 'b'], /explain URL/],
    [['explain', 'http://a/', '--header', 'x'], /NAME:VALUE/],
    [['passwd', 'a:b'], /a user name is made of/],
  ];
  const ended = await Promise.all(wrong.map(([args]) => runIsthmus(args)));
  ended.forEach((result, index) => {
    const [args = [], message] = wrong[index] ?? [];
    t.match(result, { code: 2, stdout: '', stderr: message }, args.join(' '));
  });
});
