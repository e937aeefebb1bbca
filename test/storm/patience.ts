// How long clients wait before they call a piece of work lost. What counts is what is lost, not how fast a machine is that has other work.

/** `ISTHMUS_PATIENCE`: how many times slower than an idle one the machine may be. */
const factor = Math.max(1, Number(process.env['ISTHMUS_PATIENCE'] ?? 1) || 1);

export const patient = (ms: number): number => ms * factor;
