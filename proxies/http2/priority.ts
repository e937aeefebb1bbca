// What a client says of how urgent an answer is (RFC 9218): urgency 0 to 7, and whether it is of use in parts.

const defaultUrgency = 3;

export interface Priority {
  readonly urgency: number;
  readonly incremental: boolean;
}

/** What a client that speaks of priorities means where it says nothing more. */
const usual: Priority = { urgency: defaultUrgency, incremental: false };
/** Of a client that says nothing at all: turns are fair, and no large answer holds up a small one. */
export const unsaidPriority: Priority = { urgency: defaultUrgency, incremental: true };

/** Reads a structured dictionary's `u` and `i`; what is not understood counts as absent (RFC 9218 §4). */
export function parsePriority(text: string): Priority {
  if (text === '') return usual;
  let { urgency, incremental } = usual;
  for (const member of text.split(',')) {
    const [, key, value] = /^[ \t]*(u|i)(?:=([^;\s]+))?(?:;.*)?[ \t]*$/.exec(member) ?? [];
    if (key === 'u' && value !== undefined && /^[0-7]$/.test(value)) urgency = Number(value);
    else if (key === 'i' && (value === undefined || value === '?1')) incremental = true;
    else if (key === 'i' && value === '?0') incremental = false;
  }
  return { urgency, incremental };
}
