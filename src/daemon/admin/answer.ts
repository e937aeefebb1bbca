// What a handler of the admin API gives back.

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly allow?: string | undefined;
  readonly authenticate?: string;
}

export function json(value: unknown, status = 200): Answer {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(value, null, 1)}\n` };
}

export function text(body: string, status = 200): Answer {
  return { status, type: 'text/plain; charset=utf-8', body };
}

/** An error says what is wrong and what would be right. */
export function problem(status: number, error: string): Answer {
  return json({ error }, status);
}
