// ONNX's backend tests: nothing wrong, and enough of them run. `pnpm --filter @espalier/onnx-suite report` says more.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { UnsupportedError } from '@espalier/core';
import { fixtureTest } from '@espalier/fixtures';
import { exportOnnx, importOnnx, inspectOnnx } from '@espalier/onnx';
import { expect } from 'vitest';
import { ARCHIVE, formatSummary, type Result, readCases, runArchive, summarize } from '../src/index.ts';

let running: Promise<Result[]> | undefined;
const results = (archive: string): Promise<Result[]> => {
  running ??= runArchive(archive);
  return running;
};
const brief = ({ name, reasons }: Result): string => `${name}: ${reasons[0]}`;

fixtureTest('no backend test is answered wrongly', [ARCHIVE], async (archive) => {
  const all = await results(archive!);
  console.log(formatSummary(summarize(all), all));
  expect(all.filter(({ status }) => status === 'wrong').map(brief)).toEqual([]);
});

fixtureTest('at least 750 of the 1,802 node tests pass', [ARCHIVE], async (archive) => {
  const nodes = (await results(archive!)).filter(({ group }) => group === 'node');
  expect(nodes.length).toBe(1802);
  expect(nodes.filter(({ status }) => status === 'passed').length).toBeGreaterThanOrEqual(750);
});

fixtureTest('what is rejected is rejected for reasons', [ARCHIVE], async (archive) => {
  const rejected = (await results(archive!)).filter(({ status }) => status === 'rejected');
  expect(rejected.filter(({ reasons }) => reasons.length === 0).map(({ name }) => name)).toEqual([]);
});

fixtureTest(
  'ops of real models pass all of their tests of opset 7 to 22',
  [ARCHIVE, 'models/magika_v3_3.onnx'],
  async (archive, model) => {
    const folder = dirname(model!);
    const files = readdirSync(folder).filter((file) => file.endsWith('.onnx'));
    const used = new Set(files.flatMap((file) => [...inspectOnnx(readFileSync(join(folder, file))).ops.keys()]));
    const failed = (await results(archive!)).filter(
      ({ ops: [op, ...more], opset, status }) =>
        used.has(op!) && more.length === 0 && opset >= 7 && opset <= 22 && status !== 'passed',
    );
    expect(used.size).toBeGreaterThan(50);
    expect(failed.map(brief)).toEqual([]);
  },
);

fixtureTest('models that load are written and read to the same bytes', [ARCHIVE], async (archive) => {
  const changed: string[] = [];
  let same = 0;
  for (const { name, model } of await readCases(archive!)) {
    try {
      const written = exportOnnx((await importOnnx(model)).graph);
      const again = exportOnnx((await importOnnx(written)).graph);
      if (Buffer.compare(written, again) === 0) same++;
      else changed.push(name);
    } catch (error) {
      if (!(error instanceof UnsupportedError)) throw new Error(name, { cause: error });
    }
  }
  expect(changed).toEqual([]);
  expect(same).toBeGreaterThanOrEqual(750);
});
