// Products of float32, dense and sparse, and of bytes on one thread, over the built packages:
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

/** Seconds of the fastest of many runs, and what the law says to that. Tensors are constants. */
async function measure(kernel, call, constants) {
  const work = kernel.work(call, {}, constants);
  if ('reason' in work) return undefined;
  const program = await kernel.prepare(call, constants, { features: backend.features });
  const slots = [...call.inputs, ...call.outputs].map(({ dtype, shape }, i) => {
    if (constants[i]) return undefined;
    const size = shape.reduce((a, b) => a * b, 1);
    const slot = { buffer: backend.alloc(4 * size), offset: 0 };
    if (dtype === 'float32') backend.write(slot.buffer, 0, random([size, 1], 0).bytes);
    return slot;
  });
  const inputs = call.inputs.map((_, i) => (slots[i] ? i : undefined));
  const list = backend.record([{ call, kernel: kernel.name, program, inputs, outputs: [slots.length - 1] }]);
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

const constant = (tensor) => ({
  tensor,
  structure: { elements: tensor.size, nonzeros: tensor.data.filter(Boolean).length },
});
const callOf = (op, domain, inputs, shape) => ({
  ...{ node: 'product', op, domain, attrs: {}, epilogue: [], inputs },
  outputs: [{ dtype: 'float32', shape }],
});
const desc = (dtype, ...shape) => ({ dtype, shape });

async function print(pattern, call, constants, [k, n], what) {
  for (const kernel of backend.kernels.filter(({ name }) => pattern.test(name))) {
    const found = await measure(kernel, call, constants);
    if (!found) continue;
    const speed = ((rows * k * n) / found.best / 1e9).toFixed(1);
    const size = `${rows}x${k}x${n}`;
    console.log(
      `${kernel.name.padEnd(36)} ${size.padEnd(14)} ${what} ${speed.padStart(7)}  law ${found.law.toFixed(2)}`,
    );
  }
}

for (const [k, n] of WEIGHTS) {
  for (const zeros of ZEROS) {
    const call = callOf('MatMul', '', [desc('float32', rows, k), desc('float32', k, n)], [rows, n]);
    const constants = [undefined, constant(random([k, n], zeros))];
    await print(
      zeros > 0 ? /^matmul_f32_csr_/ : /^matmul_f32_dense_/,
      call,
      constants,
      [k, n],
      `${zeros * 100} % zeros`,
    );
  }
  for (const zeros of ZEROS) {
    const level = () => (Math.random() < zeros ? 0 : 1 + 127 * Math.random());
    const levels = new Tensor('int8', Int8Array.from({ length: k * n }, level), [k, n]);
    const inputs = [desc('uint8', rows, k), desc('float32'), desc('uint8'), desc('int8', k, n), desc('float32', n)];
    const call = callOf('QuantizedMatMul', 'espalier', inputs, [rows, n]);
    const pattern = zeros > 0 ? /^quantizedmatmul_i8_csr_/ : /^quantizedmatmul_i8_dense_/;
    const constants = [undefined, undefined, undefined, constant(levels)];
    await print(pattern, call, constants, [k, n], `bytes, ${zeros * 100} % zeros`);
  }
}
backend.dispose();
