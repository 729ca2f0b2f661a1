// Runs ONNX's backend tests on the scalar backend.

import { createJsBackend } from '@espalier/backend-js';
import { createRuntime } from '@espalier/runtime';
import { type Case, readCases } from './archive.ts';
import { type Result, runCase } from './run.ts';

export { readCases } from './archive.ts';
export { formatSummary, type Summary, summarize } from './report.ts';
export type { Result } from './run.ts';

/** The archive, below the folder of fixtures. */
export const ARCHIVE = 'conformance/onnx-node-tests-1.23.0dev-a8f77b5b9parent.tar.xz';

/** @param only texts of which one must be part of a case's name; all cases when empty */
export async function runArchive(archive: string, only: readonly string[] = []): Promise<Result[]> {
  const cases = await readCases(archive);
  return runCases(cases.filter(({ name }) => only.length === 0 || only.some((text) => name.includes(text))));
}

export async function runCases(cases: readonly Case[]): Promise<Result[]> {
  const runtime = createRuntime({ backends: [createJsBackend()] });
  const results: Result[] = [];
  for (const each of cases) results.push(await runCase(each, runtime));
  runtime.dispose();
  return results;
}
