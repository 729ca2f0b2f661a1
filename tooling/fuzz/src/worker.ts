/** Judges cases that its parent sends, in a process that may die of one. */

import type { Choices } from './choices.ts';
import { judge, type Verdict } from './judge.ts';

process.on('message', async (choices: Choices) => {
  let verdict: Verdict;
  try {
    verdict = await judge(choices);
  } catch (error) {
    verdict = { failure: `the fuzzer fails: ${error instanceof Error ? error.stack : error}`, kernels: [] };
  }
  process.send!(verdict);
});
