// From what the checks found to problems at their lines, without those that another mistake brought about.

import { type ConfigProblem, type Finding, pathText } from './problem.ts';
import { isMap } from './raw-value.ts';
import type { Place, SyntaxFinding, YamlTree } from './yaml-tree.ts';

/** `unset`: variables that are missing; what else is wrong with such a value is not known yet. In the order of the file. */
export function placeProblems(
  tree: YamlTree,
  unset: readonly Finding[],
  findings: readonly Finding[],
): readonly ConfigProblem[] {
  const brokenLines = new Set(tree.findings.map(({ line }) => line));
  const brokenSections = sectionsOf(tree);
  const unsetPaths = new Set(unset.map(({ path }) => pathText(path)));
  const isTold = (finding: Finding): boolean => {
    if (unsetPaths.has(pathText(finding.path))) return false;
    // Where brackets or indentation are broken, something that seems absent may stand a line further.
    return finding.isWhole !== true || !brokenSections.has(finding.path[0]);
  };
  const placed = [...unset, ...findings.filter(isTold)]
    .map((finding) => at(finding, tree.locate(finding.path, finding.isWhole)))
    .filter(({ line }) => !brokenLines.has(line));
  return [...tree.findings.map((finding) => at(finding, finding)), ...placed].sort(
    (a, b) => a.line - b.line || a.column - b.column,
  );
}

function at({ path, message, remedy, severity }: Finding, { line, column }: Place): ConfigProblem {
  return { line, column, path: pathText(path), message, remedy, severity };
}

/** Top-level keys that a mistake of syntax lies in, and the one before where it was noticed on the first line of the next. */
function sectionsOf({ value, findings, locate }: YamlTree): ReadonlySet<unknown> {
  const starts = isMap(value) ? Object.keys(value).map((key) => ({ key, line: locate([key], true).line })) : [];
  const sections = new Set<unknown>();
  for (const { line } of findings.filter(isSyntax)) {
    for (const [index, { key, line: start }] of starts.entries()) {
      const next = starts[index + 1]?.line ?? Infinity;
      if (start <= line && line <= next) sections.add(key);
    }
  }
  return sections;
}

/** A key that stands twice breaks nothing around it. */
function isSyntax({ path }: SyntaxFinding): boolean {
  return path.length === 0;
}
