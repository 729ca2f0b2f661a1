/** What this engine does in a second, measured. */

import type { Rates } from '@espalier/core';

/** Rates for the default cost law; takes about 70 ms. */
export async function calibrate(): Promise<Rates> {
  const n = 128;
  const [a, b, c] = [new Float32Array(n * n).fill(1), new Float32Array(n * n).fill(1), new Float32Array(n * n)];
  const multiply = (): void => {
    for (let i = 0; i < n; i++) {
      for (let k = 0; k < n; k++) {
        const x = a[i * n + k]!;
        for (let j = 0; j < n; j++) c[i * n + j]! += x * b[k * n + j]!;
      }
    }
  };
  const source = new Float32Array(1 << 20);
  const target = new Float32Array(1 << 20);
  const copy = (): void => target.set(source);
  return { macs: n ** 3 / seconds(multiply), bytes: (source.byteLength * 2) / seconds(copy), call: 2e-6 };
}

/** Milliseconds after which the engine has optimised a loop. */
const WARM_UP_MS = 20;

/** The median of five runs after a warm-up. */
function seconds(run: () => void): number {
  const warm = performance.now() + WARM_UP_MS;
  while (performance.now() < warm) run();
  const times = Array.from({ length: 5 }, () => {
    const started = performance.now();
    run();
    return (performance.now() - started) / 1000;
  });
  return Math.max(1e-9, times.sort((x, y) => x - y)[2]!);
}
