/** What this engine does in a second, measured. */

import type { Rates } from '@espalier/core';

/** Rates for the default cost law; takes a few milliseconds. */
export async function calibrate(): Promise<Rates> {
  const n = 16;
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
    macs: n ** 3 / seconds(multiply, MOST_MS, SPEED_UP),
    bytes: (source.byteLength * 2) / seconds(copy, COPIED_MS),
    call: 2e-6,
  };
}

/** Milliseconds within which the engine has optimised a loop unless the machine is busy, and how many times faster it then is at least. */
const MOST_MS = 12;
const SPEED_UP = 8;
/** The engine's own copying needs no optimising. */
const COPIED_MS = 1;

/** The shortest of the runs that a time has room for, or until some were so many times faster than the first: interruptions only ever add. */
function seconds(run: () => void, milliseconds: number, speedUp = Number.POSITIVE_INFINITY): number {
  const end = performance.now() + milliseconds;
  let first = Number.NaN;
  let best = Number.POSITIVE_INFINITY;
  for (let started = performance.now(), fast = 0, runs = 0; fast < 3 && (started < end || runs < 3); runs++) {
    run();
    const ended = performance.now();
    const took = (ended - started) / 1000;
    if (runs === 0) first = took;
    if (took * speedUp <= first) fast++;
    best = Math.min(best, took);
    started = ended;
  }
  return Math.max(1e-9, best);
}
