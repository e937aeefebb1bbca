// An object of switches that tells when one of them is flipped, so that what waits on it can go on.
export interface Switches<Values extends object> {
  // Assign to its properties at any time.
  readonly values: Values;
  // Calls back after every assignment until the returned function is called.
  onChange(listener: () => void): () => void;
}

export function createSwitches<Values extends object>(initial: Values): Switches<Values> {
  const listeners = new Set<() => void>();
  const values = new Proxy(initial, {
    set(target, key, value) {
      Reflect.set(target, key, value);
      for (const listener of [...listeners]) listener();
      return true;
    },
  });
  return {
    values,
    onChange(listener) {
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
  };
}

// Resolves as soon as the condition holds; checks again at each flip.
export function until<Values extends object>(
  switches: Switches<Values>,
  condition: (values: Values) => boolean,
): Promise<void> {
  if (condition(switches.values)) return Promise.resolve();
  return new Promise((resolve) => {
    const stop = switches.onChange(() => {
      if (!condition(switches.values)) return;
      stop();
      resolve();
    });
  });
}
