// Element by element ops, softmax and layer normalisation on one thread, over the built packages:
// `npx turbo build --filter @espalier/backend-native... && node packages/backend-native/bench/float32.mjs [part of a kernel's name]`.
// Cached: multiply-adds that could be done in an element's time (what the kernel says of its work beside it), GB/s.
// Streamed: GB/s read and written beyond the second-level cache, as a share of the calibration's copy loop.
import { callOf, onnxOps } from '@espalier/core';
import { createNativeBackend } from '../dist/index.js';

const COLUMNS = 768;
const CACHED = 24;
// Tensors as large as what the calibration copies.
const STREAMED = 1365;
const [, , filter = ''] = process.argv;

const vectors = { LayerNormalization: 2, SkipLayerNormalization: 2 };
const tensors = { SkipLayerNormalization: 2, Add: 2, Sub: 2, Mul: 2, Div: 2, Max: 2, Min: 2 };

function callFor({ op, domain = '' }, rows) {
  const shapes = [
    ...Array.from({ length: tensors[op] ?? 1 }, () => [rows, COLUMNS]),
    ...Array.from({ length: vectors[op] ?? 0 }, () => [COLUMNS]),
  ];
  const inputs = shapes.map((_, i) => `i${i}`);
  const outputs = op === 'SkipLayerNormalization' ? ['o0', 'o1'] : ['o0'];
  const known = new Map([...inputs.map((name, i) => [name, shapes[i]]), ...outputs.map((name) => [name, shapes[0]])]);
  const node = { name: op, op, domain, inputs, outputs, attrs: {} };
  return callOf(node, onnxOps, (name) => ({ dtype: 'float32', shape: known.get(name) }));
}

/** Seconds of one call, the best of five rounds. */
async function measure(backend, kernel, rows, calls) {
  const call = callFor(kernel, rows);
  const program = await kernel.prepare(call, [], { features: backend.features });
  const buffers = [...call.inputs, ...call.outputs].map(({ shape }) =>
    backend.alloc(4 * shape.reduce((a, b) => a * b)),
  );
  for (const { view } of buffers) {
    const data = new Float32Array(view.buffer);
    for (let i = 0; i < data.length; i++) data[i] = Math.sin(i);
  }
  const inputs = call.inputs.map((_, i) => i);
  const outputs = call.outputs.map((_, i) => inputs.length + i);
  const list = backend.record(Array(calls).fill({ call, kernel: kernel.name, program, inputs, outputs }));
  const slots = buffers.map((buffer) => ({ buffer, offset: 0 }));
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 6; round++) {
    const start = performance.now();
    await list.run(slots, {});
    if (round > 0) best = Math.min(best, (performance.now() - start) / 1000 / calls);
  }
  list.dispose();
  program.dispose();
  for (const buffer of buffers) backend.free(buffer);
  return { seconds: best, work: kernel.work(call, {}, []) };
}

for (const mask of [[], ['avx512']]) {
  const backend = createNativeBackend({ threads: 1, mask });
  if ('reason' in backend) throw new Error(backend.reason);
  const rates = await backend.calibrate();
  const isa = backend.features.has('avx512') ? 'avx512' : 'avx2';
  console.log(
    `${isa}: ${(rates.macs / 1e9).toFixed(0)} G multiply-adds/s, copies ${(rates.bytes / 1e9).toFixed(1)} GB/s`,
  );
  console.log('kernel                                          cached: macs  said   GB/s   streamed: GB/s  of copy');
  for (const kernel of backend.kernels) {
    if (kernel.op === 'MatMul' || !kernel.name.endsWith(isa) || !kernel.name.includes(filter)) continue;
    const cached = await measure(backend, kernel, CACHED, 200);
    const streamed = await measure(backend, kernel, STREAMED, 8);
    const elements = CACHED * COLUMNS;
    const bandwidth = ({ work, seconds }) => work.bytes / seconds / 1e9;
    console.log(
      kernel.name.padEnd(50),
      ((cached.seconds * rates.macs) / elements).toFixed(1).padStart(10),
      (cached.work.macs / elements).toFixed(0).padStart(5),
      bandwidth(cached).toFixed(0).padStart(6),
      bandwidth(streamed).toFixed(1).padStart(16),
      `${((100 * bandwidth(streamed) * 1e9) / rates.bytes).toFixed(0)} %`.padStart(8),
    );
  }
  backend.dispose();
}
