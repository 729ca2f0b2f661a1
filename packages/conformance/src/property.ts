/** Properties that hold for generated values: seeded, shrunk, and reported so that one failure can be played again. */

import fc from 'fast-check';

/** Values that may be skipped for each that is checked; where more are, fewer than wanted are checked. */
const MOST_SKIPS = 20;

/** One failure, as its message prints it. */
export interface Replay {
  readonly test: string;
  readonly seed: number;
  readonly path: string;
}

export interface PropertyOptions {
  readonly test: string;
  readonly runs: number;
  readonly seed: number;
  readonly replay: Replay | undefined;
}

/** Whether the value was of use; those that were not do not count as runs. */
export type Outcome = 'checked' | 'skipped';

/**
 * Checks `predicate` for `runs` values. A message names the smallest value that fails.
 * @returns how many values were of use
 */
export async function property<T>(
  values: fc.Arbitrary<T>,
  { test, runs, seed, replay }: PropertyOptions,
  predicate: (value: T) => Promise<Outcome>,
): Promise<number> {
  let checked = 0;
  const details = await fc.check(
    fc.asyncProperty(values, async (value) => {
      const outcome = await predicate(value);
      if (outcome === 'skipped') return fc.pre(false);
      checked++;
    }),
    {
      seed: replay?.seed ?? seed,
      numRuns: runs,
      maxSkipsPerRun: MOST_SKIPS,
      ...(replay ? { path: replay.path, endOnFailure: true } : {}),
    },
  );
  if (!details.failed || details.counterexample === null) return checked;
  const error = details.errorInstance instanceof Error ? details.errorInstance : new Error(`${details.errorInstance}`);
  const again: Replay = { test, seed: details.seed, path: details.counterexamplePath! };
  throw new Error(
    `${error.message}\n  found in run ${details.numRuns}, made smaller ${details.numShrinks} times; to run it again: { replay: ${JSON.stringify(again)} }`,
    { cause: error },
  );
}
