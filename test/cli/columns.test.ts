// Tables: aligned columns and nothing else.

import t from 'tap';
import { formatColumns, formatRecords } from '../../src/cli/columns.ts';

t.test('columns are as wide as their widest cell, and no line ends in blanks', async (t) => {
  t.equal(
    formatColumns(
      ['A', 'LONG HEAD', 'C'],
      [
        ['1', 'x', ''],
        ['1000', 'y', 'z'],
      ],
    ),
    'A     LONG HEAD  C\n1     x\n1000  y          z\n',
  );
  t.equal(formatColumns(['A'], []), '', 'no rows, no table');
});

t.test('heads are bold where that is wanted, and only they', async (t) => {
  t.equal(formatColumns(['A'], [['b']], { colour: true }), '\u001b[1mA\u001b[22m\nb\n');
});

t.test('control characters in cells do not reach the terminal', async (t) => {
  t.equal(formatColumns(['A'], [['x\u001b[2J\n\u009b']]), 'A\nx?[2J??\n');
});

t.test('records of any shape', async (t) => {
  t.equal(
    formatRecords([
      { name: 'a', ageSeconds: 1.5 },
      { name: 'b', list: ['x', 'y'], deep: { k: 1 }, none: null },
    ]),
    'NAME  AGE SECONDS  LIST  DEEP     NONE\na     1.5          -     -        -\nb     -            x y   {"k":1}  -\n',
  );
});
