/** What this engine does in a second, measured. */

import type { Rates } from '@espalier/core';

/** Rates for the default cost law; takes about 15 ms. */
export async function calibrate(): Promise<Rates> {
  const n = 64;
  const [a, b, c] = [new Float32Array(n * n).fill(1), new Float32Array(n * n).fill(1), new Float32Array(n * n)];
  const multiply = (): void => {
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < n; k++) {
        const x = a[i * n + k]!;
        for (let j = 0; j < n; j++) c[i * n + j]! += x * b[k * n + j]!;
      }
    }
  };
  const source = new Float32Array(1 << 19);
  const target = new Float32Array(1 << 19);
  const copy = (): void => target.set(source);
  return {
    macs: n ** 3 / seconds(multiply, OPTIMISED_MS),
    bytes: (source.byteLength * 2) / seconds(copy, COPIED_MS),
    call: 2e-6,
  };
}

/** Milliseconds after which the engine has optimised a loop, and some for the loop as it then is. */
const OPTIMISED_MS = 12;
/** The engine's own copying needs no optimising. */
const COPIED_MS = 2;

/** The shortest of the runs that a time has room for: interruptions only ever add. */
function seconds(run: () => void, milliseconds: number): number {
  const end = performance.now() + milliseconds;
  let best = Number.POSITIVE_INFINITY;
  for (let started = performance.now(), runs = 0; started < end || runs < 3; runs++) {
    run();
    const ended = performance.now();
    best = Math.min(best, (ended - started) / 1000);
    started = ended;
  }
  return Math.max(1e-9, best);
}
