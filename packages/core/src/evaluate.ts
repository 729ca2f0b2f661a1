/** One op on tensors, by any backend: constant folding, calibration and comparison of backends need no more. */

import {
  type AnyBackend,
  type Call,
  isRejection,
  type Kernel,
  type Program,
  type Rejection,
  type Work,
} from './backend.ts';
import type { Binding } from './dim.ts';
import type { DType } from './dtype.ts';
import { byteLength } from './dtype.ts';
import { EspalierError, UnsupportedError } from './errors.ts';
import { type Node, ownInputCount, type TensorDesc } from './graph.ts';
import { runGenerator, Slicer } from './host.ts';
import { constantFacts, inferNode } from './infer.ts';
import { attributesOf, type OpTable, paramAt, schemaOf } from './schema.ts';
import { sizeOf } from './shape.ts';
import { Tensor } from './tensor.ts';

export type Evaluate = (node: Node, inputs: readonly (Tensor | undefined)[], signal?: AbortSignal) => Promise<Tensor[]>;

/** The call that a node is, given what is known of its operands. */
export function callOf(node: Node, ops: OpTable, describe: (name: string) => TensorDesc | undefined): Call {
  const schema = schemaOf(ops, node)!;
  const find = (name: string): TensorDesc | undefined => {
    const found = name === '' ? undefined : describe(name);
    return found && { dtype: found.dtype, shape: found.shape, ...(found.format ? { format: found.format } : {}) };
  };
  return {
    node: node.name,
    op: node.op,
    domain: node.domain,
    inputs: node.inputs.map(find),
    outputs: node.outputs.map(find),
    attrs: attributesOf(schema, node),
    epilogue: node.epilogue ?? [],
  };
}

/** Checks what a kernel's row declares (op, features, dtypes, formats, epilogue), then asks its `work`. */
export function askKernel(
  backend: AnyBackend,
  kernel: Kernel,
  call: Call,
  at: Binding,
  constants: Parameters<Kernel['work']>[2],
  ops: OpTable,
): Work | Rejection {
  for (const feature of kernel.requires ?? [])
    if (!backend.features.has(feature)) return { reason: `needs ${feature}` };
  for (const step of call.epilogue) if (!kernel.fuses?.includes(step.op)) return { reason: `does not fuse ${step.op}` };
  const schema = schemaOf(ops, call)!;
  const check = (desc: TensorDesc | undefined, type: string | undefined, what: string): string | undefined => {
    if (!desc || type === undefined) return undefined;
    const allowed: readonly DType[] | undefined = kernel.types?.[type];
    if (allowed && !allowed.includes(desc.dtype)) return `${what} is ${desc.dtype}; it takes ${allowed.join(', ')}`;
    const isString = desc.dtype === 'string';
    return isString && !kernel.evaluate ? `${what} is string` : undefined;
  };
  const own = ownInputCount(call);
  const reasons = [
    ...call.inputs.map((desc, i) => (i < own ? check(desc, paramAt(schema.inputs, i)?.type, `input ${i}`) : undefined)),
    ...(call.epilogue.length > 0
      ? []
      : call.outputs.map((desc, i) => check(desc, paramAt(schema.outputs, i)?.type, `output ${i}`))),
  ].filter((reason) => reason !== undefined);
  if (reasons.length > 0) return { reason: reasons.join('; ') };
  return kernel.work(call, at, constants);
}

/** Evaluates nodes on `backend`, whole sizes known; kernels are tried in the table's order. */
export function createEvaluator(backend: AnyBackend, ops: OpTable): Evaluate {
  return async (node, inputs, signal) => {
    const byName = new Map(node.inputs.map((name, i) => [name, inputs[i]]));
    const { values, fresh } = inferNode(node, ops, (name) => {
      const tensor = byName.get(name);
      return tensor && constantFacts(tensor);
    });
    const describe = (name: string): TensorDesc | undefined => {
      const tensor = byName.get(name);
      return tensor ? { dtype: tensor.type, shape: tensor.dims } : values.get(name);
    };
    const call = callOf(node, ops, describe);
    // Sizes that only the result tells have no cost to compare here.
    const guess = Object.fromEntries(fresh.map((symbol) => [symbol, 1]));
    const reasons: string[] = [];
    for (const kernel of backend.kernels) {
      if (kernel.op !== node.op || (kernel.domain ?? '') !== node.domain) continue;
      const answer = askKernel(backend, kernel, call, guess, [], ops);
      if (isRejection(answer)) {
        reasons.push(`${kernel.name}: ${answer.reason}`);
        continue;
      }
      if (kernel.evaluate) return [...(await runGenerator(kernel.evaluate(call, inputs), new Slicer(signal)))];
      if (fresh.length > 0) {
        throw new EspalierError(
          'BAD_GRAPH',
          `${node.name} (${node.op}): the values of its inputs do not tell the shape of its output`,
          { node: node.name },
        );
      }
      return runKernel(backend, kernel, call, inputs, signal);
    }
    throw new UnsupportedError(
      `${node.name}: backend ${backend.id} has no kernel for ${node.op}${reasons.length > 0 ? `\n  ${reasons.join('\n  ')}` : ''}`,
      reasons,
      { node: node.name },
    );
  };
}

/** Runs one kernel on tensors; the call's shapes must be numbers. */
export async function runKernel(
  backend: AnyBackend,
  kernel: Kernel,
  call: Call,
  inputs: readonly (Tensor | undefined)[],
  signal?: AbortSignal,
): Promise<Tensor[]> {
  const program: Program = await kernel.prepare!(call, [], {
    features: backend.features,
    ...(signal ? { signal } : {}),
  });
  const outputs = call.outputs.map((desc) => {
    if (!desc) return undefined;
    const dims = desc.shape as readonly number[];
    return { dtype: desc.dtype, dims, bytes: byteLength(desc.dtype, sizeOf(dims)) };
  });
  const buffers = [
    ...inputs.map((tensor) => (tensor ? upload(backend, tensor) : undefined)),
    ...outputs.map((output) => (output ? backend.alloc(output.bytes) : undefined)),
  ];
  const slot = (i: number) => (buffers[i] === undefined ? undefined : i);
  const list = backend.record([
    {
      call,
      kernel: kernel.name,
      program,
      inputs: inputs.map((_, i) => slot(i)),
      outputs: outputs.map((_, i) => slot(inputs.length + i)),
    },
  ]);
  try {
    await list.run(
      buffers.map((buffer) => (buffer === undefined ? undefined : { buffer, offset: 0 })),
      {},
      { signal },
    );
    const read = outputs.map(
      async (output, i) =>
        output &&
        Tensor.fromBytes(output.dtype, await backend.read(buffers[inputs.length + i], 0, output.bytes), output.dims),
    );
    return (await Promise.all(read)) as Tensor[];
  } finally {
    list.dispose();
    program.dispose?.();
    for (const buffer of buffers) if (buffer !== undefined) backend.free(buffer);
  }
}

function upload(backend: AnyBackend, tensor: Tensor): unknown {
  const buffer = backend.alloc(tensor.bytes.byteLength);
  backend.write(buffer, 0, tensor.bytes);
  return buffer;
}
