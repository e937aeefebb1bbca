// Logs: JSON lines on stderr for ELK, or lines for people. Secrets never get here: callers log names of things, not headers or bodies.

import { fstatSync } from 'node:fs';
import { Writable } from 'node:stream';
import { destination, pino, type Logger as PinoLogger } from 'pino';

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** Whatever the level: for the few lines that others wait for. */
  always(fields: LogFields, message: string): void;
  /** Whether lines of this level are written: for those that would put one together in vain. Absent: all are. */
  isOn?(level: LogLevel): boolean;
  /** A logger whose lines all carry `fields` too. */
  child(fields: LogFields): Logger;
}

export const logLevels = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'json' | 'pretty';
}

export function createLogger(options: LogOptions): Logger {
  const base = {
    level: options.level,
    base: { pid: process.pid },
    timestamp: (): string => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  const stream =
    options.format === 'pretty' ? prettyStream() : destination({ dest: 2, sync: isFile(2) || !process.stderr.isTTY });
  return wrap(pino(base, stream));
}

/** Says nothing. For tests of parts whose logs are not looked at. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  always: () => undefined,
  isOn: () => false,
  child: () => silentLogger,
};

function wrap(logger: PinoLogger): Logger {
  const loud = logger.child({}, { level: 'info' });
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    always: (fields, message) => loud.info(fields, message),
    isOn: (level) => logger.isLevelEnabled(level),
    child: (fields) => wrap(logger.child(fields)),
  };
}

function prettyStream(): Writable {
  return new Writable({
    decodeStrings: false,
    write(line: string, _encoding, done) {
      process.stderr.write(prettyLine(line), () => done());
    },
  });
}

function prettyLine(line: string): string {
  const { time, level, msg, pid: _pid, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const rest = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return `${String(time).slice(11, 23)} ${String(level).padEnd(5)} ${String(msg)}${rest.length > 0 ? '  ' : ''}${rest.join(' ')}\n`;
}

function isFile(fd: number): boolean {
  try {
    return fstatSync(fd).isFile();
  } catch {
    return false;
  }
}
