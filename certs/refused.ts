// Why a certificate is not taken, or not all as it should be: said by file and reason, in the same words everywhere.

export interface Refused {
  readonly refused: string;
  readonly hint: string;
}

export const refuse = (refused: string, hint: string): Refused => ({ refused, hint });

export const isRefused = <T extends object>(value: T | Refused): value is Refused => 'refused' in value;
