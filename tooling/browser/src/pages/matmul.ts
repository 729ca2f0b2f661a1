// The least of a page: one matrix product, by the kernels for it and what they need.
import { createWasmBackendOf, matmul } from '@espalier/backend-wasm';
import { isRejection, runKernel, Tensor } from '@espalier/core';

const backend = await createWasmBackendOf(matmul, { workerUrl: new URL('worker.js', location.href) });
if ('reason' in backend) throw new Error(backend.reason);
const [a, b] = [new Tensor('float32', [1, 2, 3, 4, 5, 6], [2, 3]), new Tensor('float32', [1, 0, 0, 1, -1, 1], [3, 2])];
const describe = ({ type: dtype, dims: shape }: Tensor) => ({ dtype, shape });
const call = {
  ...{ node: 'product', op: 'MatMul', domain: '', attrs: {}, epilogue: [] },
  inputs: [a, b].map(describe),
  outputs: [{ dtype: 'float32', shape: [2, 2] }],
} as const;
const kernel = backend.kernels.find((each) => !isRejection(each.work(call, {}, [])))!;
const [product] = await runKernel(backend, kernel, call, [a, b]);
Object.assign(globalThis, { result: [...(product!.data as Float32Array)] });
