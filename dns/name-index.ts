// Numbers of names by the octets of the name: a table with open addressing, so that a packet's name is found without making a string of it.
// A Map hashes and interns each new string it is asked for, which cost an eighth of a whole query.

/** Whether the name that is sought is the one with a number. */
export type IsName = (id: number) => boolean;

export interface NameIndex {
  readonly size: number;
  /** The number of a name by its hash, and by what `isName` says of those with the same; 0: it is not there. */
  find(hash: number, isName: IsName): number;
  /** Takes in a number above 0 whose name is not there yet. */
  add(id: number, hash: number): void;
  delete(id: number, hash: number): void;
  ids(): Iterable<number>;
}

const smallest = 64;
const parts = 64;

/** In parts, since one that grows is put together anew: the table of a large cluster would take a tenth of a second in one go. */
export function createNameIndex(): NameIndex {
  const all = Array.from({ length: parts }, createPart);
  const partOf = (hash: number): Part => all[hash >>> 26] as Part;
  return {
    get size() {
      return all.reduce((sum, part) => sum + part.size, 0);
    },
    find: (hash, isName) => partOf(hash).find(hash, isName),
    add: (id, hash) => partOf(hash).add(id, hash),
    delete: (id, hash) => partOf(hash).delete(id, hash),
    *ids() {
      for (const part of all) yield* part.ids();
    },
  };
}

/** Linear probing over at most three quarters of a table; what follows a gap is moved up, so there are no tombstones. */
class Part {
  size = 0;
  #hashes = new Int32Array(smallest);
  /** 0: nobody's slot. */
  #ids = new Int32Array(smallest);
  #mask = smallest - 1;

  find(hash: number, isName: IsName): number {
    const [hashes, ids, mask] = [this.#hashes, this.#ids, this.#mask];
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const id = ids[slot] as number;
      if (id === 0 || (hashes[slot] === hash && isName(id))) return id;
    }
  }

  add(id: number, hash: number): void {
    if ((this.size + 1) * 4 > this.#ids.length * 3) this.#grow();
    this.#put(id, hash);
    this.size++;
  }

  delete(id: number, hash: number): void {
    const [hashes, ids, mask] = [this.#hashes, this.#ids, this.#mask];
    let gap = hash & mask;
    while (ids[gap] !== id && ids[gap] !== 0) gap = (gap + 1) & mask;
    if (ids[gap] === 0) return;
    this.size--;
    for (let slot = (gap + 1) & mask; ids[slot] !== 0; slot = (slot + 1) & mask) {
      const home = (hashes[slot] as number) & mask;
      // What stands between its home and here without a gap stays.
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      ids[gap] = ids[slot] as number;
      hashes[gap] = hashes[slot] as number;
      gap = slot;
    }
    ids[gap] = 0;
  }

  *ids(): Iterable<number> {
    for (const id of this.#ids) if (id !== 0) yield id;
  }

  #put(id: number, hash: number): void {
    // No two are equal: none is looked at.
    let slot = hash & this.#mask;
    while (this.#ids[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#ids[slot] = id;
    this.#hashes[slot] = hash;
  }

  #grow(): void {
    const [hashes, ids] = [this.#hashes, this.#ids];
    this.#hashes = new Int32Array(hashes.length * 2);
    this.#ids = new Int32Array(ids.length * 2);
    this.#mask = this.#ids.length - 1;
    for (let slot = 0; slot < ids.length; slot++)
      if (ids[slot] !== 0) this.#put(ids[slot] as number, hashes[slot] as number);
  }
}

const createPart = (): Part => new Part();
