// `pnpm --filter @espalier/onnx-suite report [--json FILE] [part of a name ...]`

import { writeFileSync } from 'node:fs';
import { fixture } from '@espalier/fixtures';
import { ARCHIVE, formatSummary, runArchive, summarize } from './index.ts';

const args = process.argv.slice(2);
const at = args.indexOf('--json');
const [, json] = at < 0 ? [] : args.splice(at, 2);
const archive = fixture(ARCHIVE);
if (archive === undefined) {
  console.error(`onnx-suite: set ESPALIER_FIXTURES to a folder that has ${ARCHIVE}`);
  process.exitCode = 2;
} else {
  const results = await runArchive(archive, args);
  const summary = summarize(results);
  console.log(formatSummary(summary, results));
  if (json) writeFileSync(json, `${JSON.stringify({ summary, results }, null, 2)}\n`);
  process.exitCode = summary.total.wrong > 0 ? 1 : 0;
}
