/** How many threads a run may use. */

type Os = typeof import('node:os');

/** Beyond this many, kernels of 128 bits wait for memory and for each other. */
const MOST = 8;

/** As many as there are logical processors up to four, then half of them, for they share cores two by two; at most eight. */
export function defaultThreads(): number {
  const { process, navigator } = globalThis as { process?: NodeJS.Process; navigator?: Navigator };
  const os = process?.getBuiltinModule?.('node:os') as Os | undefined;
  const logical = os?.availableParallelism?.() ?? navigator?.hardwareConcurrency ?? 1;
  return Math.max(1, Math.min(MOST, logical <= 4 ? logical : Math.floor(logical / 2)));
}
