// Where texts that were written last stand: names of one task have the same records, and equal ones are kept once.

const slots = 2048;

export class RecentTexts {
  readonly #texts: string[] = new Array<string>(slots).fill('');
  readonly #places = new Uint32Array(slots);
  #isEmpty = true;

  /** 0 for a text that is not among them. */
  placeOf(text: string): number {
    const slot = slotOf(text);
    return this.#texts[slot] === text ? (this.#places[slot] as number) : 0;
  }

  note(text: string, place: number): void {
    const slot = slotOf(text);
    this.#texts[slot] = text;
    this.#places[slot] = place;
    this.#isEmpty = false;
  }

  clear(): void {
    if (this.#isEmpty) return;
    this.#texts.fill('');
    this.#isEmpty = true;
  }
}

/** By its length and last characters, in which addresses differ, and some before those: long targets end alike. */
function slotOf(text: string): number {
  const { length } = text;
  let hash = length;
  for (let i = Math.max(0, length - 8); i < length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  for (let i = Math.min(6, length); i < Math.min(40, length); i++)
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) & (slots - 1);
}
