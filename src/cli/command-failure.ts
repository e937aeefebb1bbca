// A command that could not do its work: what to print on stderr, and the exit code.

export const exitFailed = 1;
/** Wrong usage or configuration. */
export const exitWrong = 2;

export class CommandFailure extends Error {
  readonly exitCode: number;

  /** `message`: what, where, and what would help, in one or more lines. */
  constructor(message: string, exitCode: number = exitFailed) {
    super(message);
    this.name = 'CommandFailure';
    this.exitCode = exitCode;
  }
}
