// Replacements of expressions as Go writes them: `$1`, `${1}`, `$name`, `$$`. A name is as long as it can be, so that `$1x` is a group called
// `1x`, which there is none of; JavaScript's own `$&` and `` $` `` mean nothing in it.

/** What `String.replace` takes: text of groups by number or name, '' where there is no such group. */
export function goReplacement(template: string): (...found: readonly unknown[]) => string {
  const parts = template.match(/\$\$|\$\{\w+\}|\$\w+|[^$]+|\$/g) ?? [];
  return (...found) => {
    const last = found.at(-1);
    const named = (typeof last === 'object' && last !== null ? last : {}) as Readonly<
      Record<string, string | undefined>
    >;
    // Behind the groups come where it was found, and in what.
    const groups = found.slice(
      0,
      found.findIndex((one) => typeof one === 'number'),
    ) as (string | undefined)[];
    return parts
      .map((part) => {
        const name = /^\$\{?(\w+)\}?$/.exec(part)?.[1];
        if (name === undefined) return part === '$$' ? '$' : part;
        return (/^\d+$/.test(name) ? groups[Number(name)] : Object.hasOwn(named, name) ? named[name] : '') ?? '';
      })
      .join('');
  };
}
