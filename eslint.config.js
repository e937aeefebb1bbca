// What eslint holds the sources to: rules that need types, and house rules. Layout belongs to prettier, unused code to
// tsc and ts-unused-exports, imports between folders to test/conventions/imports.test.ts.

import js from '@eslint/js';
import tseslint from 'typescript-eslint';
import { areas } from './test/conventions/import-table.ts';

const typescript = ['{src,lb,dns,proxies,certs,test,bench}/**/*.ts'];
const prints = ['bin/**', 'test/run.ts', 'test/check.ts', 'bench/**'];

/** A rule of our own: switching a rule off takes a reason, `-- like this`. */
const disableNeedsReason = {
  meta: { type: 'suggestion', schema: [] },
  create(context) {
    return {
      Program() {
        for (const comment of context.sourceCode.getAllComments()) {
          const directive = /^\s*eslint-disable(-next-line|-line)?\b/.test(comment.value);
          if (directive && !/\s--\s+\S/.test(comment.value)) {
            context.report({ loc: comment.loc, message: 'Say why: `eslint-disable-next-line rule -- reason`.' });
          }
        }
      },
    };
  },
};

/** Folders that may import no packages at all learn so while typing. */
const withoutPackages = areas
  .filter(({ packages }) => packages !== 'listed' && packages.length === 0)
  .map(({ folder, node }) => ({
    files: [`${folder}/**/*.ts`],
    ignores: areas.filter((area) => area.folder.startsWith(`${folder}/`)).map((area) => `${area.folder}/**`),
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex: node === 'none' ? '^[^.]' : '^(?!\\.|node:)',
              message: `${folder} imports no packages: see test/conventions/import-table.ts.`,
            },
          ],
        },
      ],
    },
  }));

export default [
  { ignores: ['node_modules/', 'dist/', '.tap/', 'bench/results/'] },
  js.configs.recommended,
  {
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    plugins: { isthmus: { rules: { 'disable-needs-reason': disableNeedsReason } } },
    rules: {
      'isthmus/disable-needs-reason': 'error',
      'no-console': 'error',
      'no-unused-vars': ['error', { varsIgnorePattern: '^_', argsIgnorePattern: '^_' }],
      eqeqeq: 'error',
      'prefer-const': 'error',
    },
  },
  {
    files: ['**/*.js'],
    languageOptions: { globals: { process: 'readonly', setTimeout: 'readonly' } },
  },
  {
    files: typescript,
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { '@typescript-eslint': tseslint.plugin },
    rules: {
      // tsc knows these better.
      'no-undef': 'off',
      'no-unused-vars': 'off',
      'no-redeclare': 'off',
      'no-dupe-class-members': 'off',

      '@typescript-eslint/no-floating-promises': ['error', { allowForKnownSafeCalls: tapCalls() }],
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/return-await': ['error', 'in-try-catch'],
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-unsafe-argument': 'error',
      '@typescript-eslint/no-unsafe-assignment': 'error',
      '@typescript-eslint/no-unsafe-call': 'error',
      '@typescript-eslint/no-unsafe-enum-comparison': 'error',
      '@typescript-eslint/no-unsafe-function-type': 'error',
      '@typescript-eslint/no-unsafe-member-access': 'error',
      '@typescript-eslint/no-unsafe-return': 'error',
      '@typescript-eslint/no-unsafe-unary-minus': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { disallowTypeAnnotations: false }],
      '@typescript-eslint/ban-ts-comment': ['error', { 'ts-expect-error': 'allow-with-description' }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
        { selector: 'ExportSpecifier[exported.name="default"]', message: 'Named exports only.' },
        { selector: 'TSEnumDeclaration', message: 'A union of string literals instead of an enum.' },
      ],
    },
  },
  ...withoutPackages,
  { files: prints, rules: { 'no-console': 'off' } },
];

/** `t.test(...)` gives a promise that tap itself waits for. */
function tapCalls() {
  return [
    { from: 'package', package: '@tapjs/core', name: 'test' },
    { from: 'package', package: '@tapjs/test', name: 'test' },
  ];
}
