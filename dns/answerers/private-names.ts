// Refuses names that are nobody else's business: suffixes of our own without a zone. Asked upstream, they would leak.

import type { Answerer } from '../chain.ts';
import { extendedError } from '../edns-options.ts';
import { refused } from '../reply.ts';
import { isWithin, keyOfName } from '../wire/index.ts';
import { privateSuffixes } from '../zones.ts';

const suffixes = privateSuffixes.flatMap((name) => keyOfName(name) ?? []);

/** `flags` are those of the refusal: RA or 0. */
export const createPrivateNames = (flags = 0): Answerer => ({
  name: 'private names',
  answer(query) {
    if (!isPrivate(query.key)) return null;
    query.extendedError = extendedError.notAuthoritative;
    return refused(query, flags);
  },
});

/** Whether a name (as key) must never be asked upstream although no zone holds it. */
export const isPrivate = (key: string): boolean => suffixes.some((suffix) => isWithin(key, suffix));
