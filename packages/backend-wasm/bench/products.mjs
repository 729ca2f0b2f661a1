// Products of float32 on one thread, dense and sparse, over the built packages:
// `npx turbo build --filter @espalier/backend-wasm... && node packages/backend-wasm/bench/products.mjs [rows]`.
// Billions of multiply-adds a second, zeros counted as if they were multiplied, and the time over what the kernel's law predicts.
import { Tensor } from '@espalier/core';
import { createWasmBackend } from '../dist/index.js';

const rows = Number(process.argv[2] ?? 128);
const WEIGHTS = [
  [768, 768],
  [768, 3072],
  [3072, 768],
];
const ZEROS = [0, 0.5, 0.8, 0.9, 0.95];
const MS = 600;

const backend = await createWasmBackend({ threads: 1 });
if ('reason' in backend) throw new Error(backend.reason);
const rates = await backend.calibrate();
console.log(
  `Node ${process.versions.node}, ${[...backend.features].join(' ')}, ${(rates.fma / 1e9).toFixed(1)} calibrated`,
);

function random(dims, zeros) {
  const data = Float32Array.from({ length: dims[0] * dims[1] }, () =>
    Math.random() < zeros ? 0 : Math.random() - 0.5,
  );
  return new Tensor('float32', data, dims);
}

/** Seconds of the fastest of many runs. */
async function measure(kernel, call, weights) {
  const structure = { elements: weights.size, nonzeros: weights.data.filter(Boolean).length };
  const constants = [undefined, { tensor: weights, structure }];
  const work = kernel.work(call, {}, constants);
  if ('reason' in work) return undefined;
  const program = await kernel.prepare(call, constants, { features: backend.features });
  const slots = [call.inputs[0], undefined, call.outputs[0]].map(
    (desc) => desc && { buffer: backend.alloc(4 * desc.shape[0] * desc.shape[1]), offset: 0 },
  );
  backend.write(slots[0].buffer, 0, random(call.inputs[0].shape, 0).bytes);
  const list = backend.record([{ call, kernel: kernel.name, program, inputs: [0, undefined], outputs: [2] }]);
  let best = Number.POSITIVE_INFINITY;
  const onStep = (_, seconds) => {
    best = Math.min(best, seconds);
  };
  for (const started = performance.now(); performance.now() - started < MS; ) await list.run(slots, {}, { onStep });
  list.dispose();
  program.dispose();
  for (const slot of slots) if (slot) backend.free(slot.buffer);
  return { best, law: best / kernel.law(work, rates) };
}

for (const [k, n] of WEIGHTS)
  for (const zeros of ZEROS) {
    const weights = random([k, n], zeros);
    const desc = (shape) => ({ dtype: 'float32', shape });
    const inputs = [desc([rows, k]), desc([k, n])];
    const call = {
      node: 'product',
      op: 'MatMul',
      domain: '',
      inputs,
      outputs: [desc([rows, n])],
      attrs: {},
      epilogue: [],
    };
    for (const kernel of backend.kernels.filter(({ name }) => /^matmul_f32_(dense|csr)_/.test(name))) {
      if (zeros > 0 && kernel.name.includes('_dense_')) continue;
      const found = await measure(kernel, call, weights);
      if (!found) continue;
      const speed = ((rows * k * n) / found.best / 1e9).toFixed(1);
      const size = `${rows}x${k}x${n}`;
      console.log(
        `${kernel.name.padEnd(32)} ${size.padEnd(14)} ${zeros * 100} % zeros ${speed.padStart(7)}  law ${found.law.toFixed(2)}`,
      );
    }
  }
backend.dispose();
