/**
 * Counts what sessions or runs of a model leave behind, as a process of its own: `sessions` or `runs`, rows of weights, and how many of them there
 * have been when the bytes of the process are printed, as JSON.
 */

import { createWasmBackend, type WasmBackend } from '@espalier/backend-wasm';
import { createRuntime } from '@espalier/runtime';
import { chain, rows } from './chain.ts';

const [what, size, ...marks] = process.argv.slice(2);
const { gc } = globalThis as unknown as { gc(): void };
const wasm = (await createWasmBackend({ threads: 2 })) as WasmBackend;
const runtime = createRuntime({ backends: [wasm] });
const graph = chain(1, Number(size));
const feeds = rows(4, Number(size));
const open = () => runtime.createSession({ ...graph });
const kept = what === 'runs' ? await open() : undefined;
const found: number[] = [];
for (let i = 1; i <= Number(marks.at(-1)); i++) {
  const session = kept ?? (await open());
  await session.run(feeds);
  if (!kept) await session.dispose();
  if (!marks.includes(`${i}`)) continue;
  for (let turn = 0; turn < 6; turn++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  found.push(process.memoryUsage.rss());
}
console.log(JSON.stringify(found));
