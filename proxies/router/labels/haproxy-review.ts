// One diagnostic for each HAPROXY_* label that nothing comes of by its name alone: typos, ports that are not there, templates of the whole.

import { nearest } from '../label-values.ts';
import { appNames, globalNames, idleNames, portNames } from './haproxy-names.ts';
import type { LabelReader } from './label-reader.ts';

export function reviewHaproxyNames(reader: LabelReader): void {
  for (const key of reader.keys) if (key.startsWith('HAPROXY_') && !appNames.has(key)) reviewName(key, reader);
}

function reviewName(key: string, reader: LabelReader): void {
  const [, index = '', suffix = ''] = /^HAPROXY_(0|[1-9]\d*)_(.+)$/.exec(key) ?? [];
  const { ports } = reader.app;
  if (suffix === '') {
    const names = [...appNames, ...[...portNames].map((name) => `HAPROXY_0_${name}`)];
    if (globalNames.has(key.slice('HAPROXY_'.length))) reportGlobal(key, reader);
    else reportUnknown(key, names, reader);
  } else if (!ports.some((port) => port.index === Number(index))) {
    const hint = `its ports are ${ports.map((port) => port.index).join(', ') || 'none'}`;
    reader.report(key, 'warn', `the app has no port ${index}`, hint);
  } else if (idleNames.has(suffix)) reader.report(key, 'warn', 'never had an effect', 'remove it');
  else if (globalNames.has(suffix)) reportGlobal(key, reader);
  else if (!portNames.has(suffix))
    reportUnknown(
      key,
      [...portNames].map((name) => `HAPROXY_${index}_${name}`),
      reader,
    );
}

function reportGlobal(key: string, reader: LabelReader): void {
  reader.report(key, 'warn', 'is a template of the whole balancer, which no label replaces', 'see the configuration');
}

function reportUnknown(key: string, names: readonly string[], reader: LabelReader): void {
  const near = nearest(key.toUpperCase(), names);
  const hint = near === null ? 'see the list of labels' : `did you mean ${near}?`;
  reader.report(key, 'warn', 'is no label of this name', hint);
}
