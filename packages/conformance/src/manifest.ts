/** Failures that are known: they must fail, so that the list cannot outlive them. */

import type { ConformanceTest } from './conformance-test.ts';

export interface KnownFailure {
  /** The name of a test; `*` stands for any text, so that `<kernel>: *` is all of a kernel's. */
  readonly test: string;
  /** Why it fails, for people. */
  readonly reason: string;
}

/** The tests, those of the manifest turned round; a line that no test answers to is a test that fails. */
export function withKnownFailures(
  tests: readonly ConformanceTest[],
  known: readonly KnownFailure[],
): ConformanceTest[] {
  for (const { test, reason } of known)
    if (typeof reason !== 'string' || reason.trim() === '')
      throw new TypeError(`the known failure "${test}" has no reason`);
  const patterns = known.map((each) => ({ ...each, matches: patternOf(each.test) }));
  const turned = tests.map((test): ConformanceTest => {
    const found = patterns.find(({ matches }) => matches.test(test.name));
    return found && !test.skip ? mustFail(test, found.reason) : test;
  });
  const idle = patterns.filter(({ matches }) => !tests.some(({ name }) => matches.test(name)));
  const missing = idle.map(
    ({ test }): ConformanceTest => ({
      name: `known failure "${test}"`,
      run: async () => {
        throw new Error(`no test has the name "${test}": remove it from the known failures`);
      },
    }),
  );
  return [...turned, ...missing];
}

function mustFail({ name, run }: ConformanceTest, reason: string): ConformanceTest {
  return {
    name: `${name} (known to fail: ${reason})`,
    run: async () => {
      const failed = await run().then(
        () => false,
        () => true,
      );
      if (!failed) throw new Error(`"${name}" passes: remove it from the known failures`);
    },
  };
}

function patternOf(text: string): RegExp {
  return new RegExp(
    `^${text
      .split('*')
      .map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
      .join('.*')}$`,
  );
}
