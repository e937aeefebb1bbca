// `npm run storm -- --seconds N --seed N`: makes trouble for a running daemon and watches that its promises hold.

process.stderr.write('usage: npm run storm -- --seconds N --seed N\nthere is no storm yet\n');
process.exitCode = 2;
