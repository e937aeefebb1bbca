// When the first tables go out. What serves already, former processes or the workers of a control process that died, was told a moment
// ago; a picture from the store is older, and one source without the others is less. So there the sources are waited for.

import type { Clock } from '../runtime/index.ts';

/**
 * Sources that do not answer by then do not answer the others either, and what was saved is the best there is. On a machine with no
 * processor to spare a source that answers took more than ten seconds, and routes were missing for a moment.
 */
export const liveWithinMs = 30_000;

export interface FirstTablesOptions {
  /** A picture of the cluster is served by others. */
  readonly servesAlready: boolean;
  /** All sources answer. */
  readonly isLive: () => boolean;
  readonly clock: Clock;
  /** Called once. */
  readonly onOut: () => void;
}

export interface FirstTables {
  readonly areOut: boolean;
  /** There are complete tables. */
  made(): void;
  /** A source has spoken. */
  look(): void;
  stop(): void;
}

export function createFirstTables({ servesAlready, isLive, clock, onOut }: FirstTablesOptions): FirstTables {
  let areMade = false;
  let areOut = false;
  let isPatient = servesAlready;
  const look = (): void => {
    if (areOut || !areMade || (isPatient && !isLive())) return;
    areOut = true;
    patience.cancel();
    onOut();
  };
  const patience = clock.after(liveWithinMs, () => {
    isPatient = false;
    look();
  });
  return {
    get areOut() {
      return areOut;
    },
    made() {
      areMade = true;
      look();
    },
    look,
    stop: () => patience.cancel(),
  };
}
