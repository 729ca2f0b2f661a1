/** One kernel on one call. */

import { type Call, dense, type Node, Tensor, type TensorDesc } from '@espalier/core';
import type { WasmBackend } from '../src/index.ts';

/** What one kernel, found by how its name begins, makes of operands, of which one may be a constant. */
export async function run(
  backend: WasmBackend,
  kernel: string,
  node: Node,
  inputs: readonly Tensor[],
  output: Tensor,
  constant?: number,
): Promise<Tensor> {
  const row = backend.kernels.find(({ name }) => name.startsWith(kernel))!;
  const descOf = ({ type: dtype, dims: shape }: Tensor): TensorDesc => ({ dtype, shape, format: dense });
  const call: Call = {
    ...{ node: node.name, op: node.op, domain: node.domain, attrs: node.attrs, epilogue: [] },
    inputs: inputs.map(descOf),
    outputs: [descOf(output)],
  };
  const constants = inputs.map((tensor, i) => {
    if (i !== constant) return undefined;
    const nonzeros = (tensor.data as Float32Array).filter((x) => x !== 0).length;
    return { tensor, structure: { elements: tensor.size, nonzeros } };
  });
  const work = row.work(call, {}, constants);
  if ('reason' in work) throw new Error(`${work.reason}`);
  const program = await row.prepare!(call, constants, { features: backend.features });
  const buffers = [...inputs, output].map((tensor) => {
    const buffer = backend.alloc(tensor.bytes.byteLength);
    backend.write(buffer, 0, tensor.bytes);
    return buffer;
  });
  const list = backend.record([
    {
      call,
      kernel,
      program,
      inputs: inputs.map((_, i) => (program.packed?.includes(i) ? undefined : i)),
      outputs: [inputs.length],
    },
  ]);
  await list.run(
    buffers.map((buffer) => ({ buffer, offset: 0 })),
    {},
  );
  const bytes = await backend.read(buffers.at(-1)!, 0, output.bytes.byteLength);
  for (const buffer of buffers) backend.free(buffer);
  list.dispose();
  program.dispose?.();
  return Tensor.fromBytes(output.type, bytes, output.dims);
}
