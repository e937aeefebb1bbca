// What the conventions look at: every source file of the project, and what each of them imports.

import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import ts from 'typescript';

export const root = dirname(dirname(import.meta.dirname));

export const topFolders = ['src', 'lb', 'dns', 'proxies', 'certs', 'test', 'bench'] as const;

export interface Import {
  /** As written. */
  readonly specifier: string;
  /** The file it means, from the root; absent for a package or a module of Node. */
  readonly file?: string;
  /** Erased before the program runs. */
  readonly isTypeOnly: boolean;
  readonly line: number;
}

/** Every TypeScript file below the top folders, from the root, sorted. */
export function sourceFiles(): string[] {
  return topFolders.flatMap((folder) => globSync(`${folder}/**/*.ts`, { cwd: root })).sort();
}

export function readSource(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

export function exists(file: string): boolean {
  return existsSync(join(root, file));
}

/** Imports of all forms: static, re-exports, dynamic ones with a literal, and `import('x')` in a type. */
export function importsOf(file: string, text: string = readSource(file)): Import[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, false);
  const found: Import[] = [];
  const add = (name: ts.Node | undefined, isTypeOnly: boolean): void => {
    if (name === undefined || !ts.isStringLiteralLike(name)) return;
    const line = source.getLineAndCharacterOfPosition(name.getStart(source)).line + 1;
    const specifier = name.text;
    const target = specifier.startsWith('.') ? { file: posix.join(posix.dirname(file), specifier) } : {};
    found.push({ specifier, isTypeOnly, line, ...target });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}
