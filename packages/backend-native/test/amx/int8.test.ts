/** Products of bytes by tiles against the scalar backend, with guard pages. */

import { conformanceTests } from '@espalier/conformance';
import { type Call, type Kernel, type Step, Tensor } from '@espalier/core';
import { afterAll, describe, expect, it } from 'vitest';
import {
  createNativeBackend,
  type Memory,
  type NativeBackend,
  type NativeBuffer,
  type NativeProgram,
  recordList,
  type StartedEngine,
  startEngine,
} from '../../src/index.ts';
import { kernelsFor as convolutionsFor } from '../../src/kernels/conv_int8/index.ts';
import { kernelsFor } from '../../src/kernels/matmul_int8/index.ts';
import { amx } from '../../src/kernels/matmul_int8/isa.ts';
import { findTiles } from './tiles.ts';

const tiles = findTiles();
const options = 'reason' in tiles ? {} : { assume: tiles.assume };
const found = startEngine({ ...options, guard: true });
const missing = 'reason' in found ? amx.requires : amx.requires.filter((feature) => !found.features.has(feature));
const reason = 'reason' in found ? found.reason : 'reason' in tiles ? tiles.reason : `the processor has no ${missing}`;
if (missing.length > 0) it.skip(`products of bytes by tiles (${reason})`, () => {});

describe.skipIf(missing.length > 0)('products of bytes by tiles', () => {
  if (missing.length > 0) return;
  const engine = found as StartedEngine;
  const whole = createNativeBackend({ ...options, guard: true }) as NativeBackend;
  afterAll(() => {
    whole.dispose();
    engine.dispose();
  });
  // Scratch memory is as others left it.
  const used: Memory = Object.create(engine.memory, {
    alloc: {
      value(bytes: number): NativeBuffer {
        const buffer = engine.memory.alloc(bytes);
        buffer.view.fill(0xa5);
        return buffer;
      },
    },
  });
  const kernels = [...kernelsFor(amx), ...convolutionsFor(amx)].map(
    (row): Kernel<NativeProgram> => ({ ...row, prepare: (call, constants) => row.prepare(call, constants, engine) }),
  );
  for (const { name, run, skip } of conformanceTests({ ...whole, kernels }, { runs: 6 }))
    if (!name.endsWith(': abort')) it.skipIf(skip)(name, run);

  it.each([
    [1, 1536, 70],
    [16, 64, 32],
    [17, 65, 33],
    [33, 200, 96],
    [70, 127, 17],
    [97, 192, 40],
    [130, 3, 200],
  ])('are exact for blocks, panels and tiles along K of every kind: %d x %d x %d', async (m, k, n) => {
    let state = m + k + n;
    const bytes = (count: number): Uint8Array =>
      Uint8Array.from({ length: count }, () => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        return state >>> 24;
      });
    for (const aType of ['uint8', 'int8'] as const) {
      for (const bType of ['uint8', 'int8'] as const) {
        const tensor = (type: typeof aType, data: Uint8Array, dims: readonly number[]): Tensor =>
          new Tensor(type, type === 'int8' ? new Int8Array(data.buffer) : data, dims);
        const inputs = [
          tensor(aType, bytes(m * k), [m, k]),
          tensor(bType, bytes(k * n), [k, n]),
          tensor(aType, bytes(1), []),
          tensor(bType, bytes(n), [n]),
        ];
        for (const kernel of kernels.filter(({ op }) => op === 'MatMulInteger')) {
          const [got, wanted] = [await multiply(kernel, inputs, [m, n]), reference(inputs, [m, k, n])];
          expect(got).toHaveLength(wanted.length);
          expect(
            got.findIndex((x, i) => x !== wanted[i]),
            kernel.name,
          ).toBe(-1);
        }
      }
    }
  });

  async function multiply(kernel: Kernel<NativeProgram>, inputs: readonly Tensor[], y: readonly number[]) {
    const call: Call = {
      ...{ node: 'product', op: 'MatMulInteger', domain: '', attrs: {}, epilogue: [] },
      inputs: inputs.map((t) => ({ dtype: t.type, shape: t.dims })),
      outputs: [{ dtype: 'int32', shape: y }],
    };
    const known = inputs.map((tensor) => ({ tensor, structure: { elements: tensor.size, nonzeros: 0 } }));
    const constants = known.map((constant, i) => (i === 1 || i === 3 ? constant : undefined));
    const program = await kernel.prepare!(call, constants, { features: engine.features });
    const buffers = [...inputs.map((t) => whole.alloc(t.bytes.byteLength)), whole.alloc(4 * y[0]! * y[1]!)];
    for (const [i, t] of inputs.entries()) whole.write(buffers[i]!, 0, t.bytes);
    const slots = inputs.map((_, i) => (program.packed?.includes(i) ? undefined : i));
    const step: Step<NativeProgram> = { call, kernel: kernel.name, program, inputs: slots, outputs: [inputs.length] };
    const list = recordList({ ...engine, memory: used }, [step]);
    const all = buffers.map((buffer) => ({ buffer, offset: 0 }));
    await list.run(all, {});
    const result = new Int32Array(buffers.at(-1)!.view.slice().buffer);
    list.dispose();
    program.dispose!();
    for (const buffer of buffers) whole.free(buffer);
    return result;
  }
});

function reference([a, b, aZero, bZero]: readonly Tensor[], [m, k, n]: readonly number[]): Int32Array {
  const [left, right, zeros] = [a!, b!, bZero!].map(({ data }) => data as Uint8Array) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const zero = aZero!.data[0] as number;
  const sums = new Int32Array(m! * n!);
  for (let i = 0; i < m!; i++)
    for (let p = 0; p < k!; p++) {
      const x = left[i * k! + p]! - zero;
      for (let j = 0; j < n!; j++) sums[i * n! + j]! += x * (right[p * n! + j]! - zeros[j]!);
    }
  return sums;
}
