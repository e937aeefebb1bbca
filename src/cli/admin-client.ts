// Asks the running daemon's admin API, and says in plain words why it got no answer.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { codeOf, messageOf } from '../runtime/index.ts';
import { CommandFailure } from './command-failure.ts';

const answerWithinMs = 10_000;
const defaultAdmin = 'http://127.0.0.1:9099';

export interface AdminOptions {
  /** Without a slash at the end. */
  readonly admin: string;
}

/** Adds `--admin URL` to a command. */
export function withAdmin(command: Command): Command {
  return command.addOption(
    new Option('--admin <url>', "the daemon's admin address").default(defaultAdmin).argParser(parseAdminUrl),
  );
}

/** The answer as text for people. */
export function askText(options: AdminOptions, path: string): Promise<string> {
  return ask(options, path, 'text/plain');
}

/** The answer as JSON. */
export async function askJson(options: AdminOptions, path: string): Promise<unknown> {
  const answer = await ask(options, path, 'application/json');
  try {
    return JSON.parse(answer);
  } catch {
    throw new CommandFailure(
      `${options.admin}${path} answered with something that is no JSON: is this isthmus's admin address?`,
    );
  }
}

async function ask({ admin }: AdminOptions, path: string, accept: string): Promise<string> {
  const token = process.env['ISTHMUS_TOKEN'] ?? '';
  const headers = { accept, ...(token === '' ? {} : { authorization: `Bearer ${token}` }) };
  // Commands that ask nothing, and --help, do not wait for it to load.
  const { request } = await import('undici');
  try {
    const { statusCode, body } = await request(`${admin}${path}`, {
      headers,
      signal: AbortSignal.timeout(answerWithinMs),
    });
    const text = await body.text();
    if (statusCode === 200) return text;
    throw new CommandFailure(explainStatus(statusCode, text, `${admin}${path}`, token !== ''));
  } catch (error) {
    throw error instanceof CommandFailure ? error : new CommandFailure(explainSilence(error, admin));
  }
}

function explainStatus(status: number, body: string, url: string, hasToken: boolean): string {
  if (status === 401 || status === 403) {
    return hasToken
      ? `${url} does not accept the token in ISTHMUS_TOKEN: it must be the one of admin.token in the daemon's configuration`
      : `${url} asks for a token: set ISTHMUS_TOKEN to the one of admin.token in the daemon's configuration`;
  }
  return `${url} answered ${status}: ${reasonIn(body)}`;
}

/** The daemon's own word, which is `{error}`, or the first line of whatever came. */
function reasonIn(body: string): string {
  try {
    const { error } = JSON.parse(body) as { readonly error?: unknown };
    if (typeof error === 'string') return error;
  } catch {
    // No JSON: the line below shows what it is.
  }
  return body.trim().split('\n', 1)[0]?.slice(0, 200) || 'without a reason';
}

function explainSilence(error: unknown, admin: string): string {
  const remedy = 'Start it with `isthmus run --config FILE`, or say where its admin address is: --admin URL.';
  const code = codeOf(error) || codeOf(error instanceof Error ? error.cause : undefined);
  if (code === 'ECONNREFUSED') return `no daemon answers at ${admin} (connection refused).\n${remedy}`;
  if (error instanceof Error && error.name === 'TimeoutError') {
    return `the daemon at ${admin} did not answer within ${answerWithinMs / 1000} s.\nIf it is busy, try again; its log on stderr says more.`;
  }
  return `no answer from ${admin}: ${messageOf(error)}\n${remedy}`;
}

function parseAdminUrl(text: string): string {
  const written = text.includes('://') ? text : `http://${text}`;
  const url = URL.canParse(written) ? new URL(written) : null;
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.search !== '') {
    throw new InvalidArgumentError(`Write a URL, such as ${defaultAdmin}.`);
  }
  return url.href.replace(/\/+$/, '');
}
