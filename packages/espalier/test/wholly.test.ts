// Ops that no native kernel is named after, and halves: passes write them as what native kernels do, without any other backend.
import { type Attributes, type Backend, elements, type Graph, Tensor, toFloat16 } from '@espalier/core';
import { createRuntime, type Runtime } from '@espalier/runtime';
import { describe, expect, it } from 'vitest';
import { makeBackend } from '../src/backends.ts';

const native = await makeBackend('native');
const js = (await makeBackend('js')) as Backend<unknown>;
const reason = 'reason' in native ? native.reason : undefined;

/** Numbers in [-1, 1), the same in every run. */
let state = 1;
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 31 - 1;
}

function tensor(dims: readonly number[], type: 'float32' | 'float16' = 'float32', of = random): Tensor {
  const values = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, of);
  return new Tensor(type, type === 'float16' ? Uint16Array.from(values, toFloat16) : values, dims);
}

const vector = (size: number): Tensor => tensor([size]);
const positive = (size: number): Tensor => tensor([size], 'float32', () => Math.abs(random()) + 0.1);

/** One op on `x`, then Relu, so that there is something to fuse. */
function model(
  op: string,
  shape: readonly (number | string)[],
  constants: readonly Tensor[],
  attrs: Attributes,
  dtype: 'float32' | 'float16' = 'float32',
): Graph {
  const names = constants.map((_, i) => `c${i}`);
  return {
    name: op,
    inputs: [{ name: 'x', dtype, shape }],
    outputs: ['y'],
    nodes: [
      { name: 'op', op, domain: '', inputs: ['x', ...names], outputs: ['h'], attrs },
      { name: 'act', op: 'Relu', domain: '', inputs: ['h'], outputs: ['y'], attrs: {} },
    ],
    constants: new Map(constants.map((each, i) => [names[i]!, each])),
  };
}

const cases: readonly [string, Graph, readonly number[]][] = [
  [
    'a transposed convolution',
    model('ConvTranspose', ['n', 6, 'h', 13], [tensor([6, 4, 3, 3]), vector(4)], {
      strides: [2, 2],
      pads: [1, 1, 1, 1],
    }),
    [2, 6, 9, 13],
  ],
  [
    'one of volumes',
    model('ConvTranspose', [1, 4, 5, 6, 7], [tensor([4, 2, 2, 2, 3])], { strides: [2, 1, 3] }),
    [1, 4, 5, 6, 7],
  ],
  [
    'a convolution of volumes',
    model('Conv', [1, 3, 6, 7, 20], [tensor([5, 3, 3, 3, 3]), vector(5)], { pads: [1, 1, 1, 1, 1, 1] }),
    [1, 3, 6, 7, 20],
  ],
  [
    'a convolution of sequences',
    model('Conv', ['n', 8, 'l'], [tensor([16, 8, 5]), vector(16)], { pads: [2, 2] }),
    [2, 8, 77],
  ],
  [
    'BatchNormalization',
    model('BatchNormalization', ['n', 7, 'h', 'w'], [vector(7), vector(7), vector(7), positive(7)], {}),
    [2, 7, 9, 11],
  ],
  [
    'InstanceNormalization',
    model('InstanceNormalization', ['n', 5, 12, 10], [vector(5), vector(5)], {}),
    [2, 5, 12, 10],
  ],
  [
    'GroupNormalization',
    model('GroupNormalization', ['n', 6, 12, 10], [vector(6), vector(6)], { num_groups: 3 }),
    [2, 6, 12, 10],
  ],
  ['LRN', model('LRN', ['n', 9, 'h', 'w'], [], { size: 5, alpha: 0.5 }), [2, 9, 5, 6]],
  [
    'Resize by two and three',
    model('Resize', ['n', 3, 'h', 'w'], [new Tensor('float32', [], [0]), new Tensor('float32', [1, 1, 2, 3], [4])], {
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    }),
    [2, 3, 8, 9],
  ],
  [
    'Pad by reflection',
    model('Pad', ['n', 3, 8, 9], [new Tensor('int64', [0, 0, 2, 3, 0, 0, 1, 4], [8])], { mode: 'reflect' }),
    [2, 3, 8, 9],
  ],
  [
    'a convolution of halves',
    model('Conv', ['n', 8, 10, 10], [tensor([12, 8, 3, 3], 'float16'), tensor([12], 'float16')], {}, 'float16'),
    [2, 8, 10, 10],
  ],
];

async function run(runtime: Runtime, graph: Graph, x: Tensor): Promise<number[]> {
  const session = await runtime.createSession(graph);
  try {
    const { y } = await session.run({ x });
    return elements(y!) as number[];
  } finally {
    await session.dispose();
  }
}

describe.skipIf(reason)('the native backend alone', () => {
  if (reason) return;
  const alone = createRuntime({ backends: [native as Backend<unknown>] });
  const scalar = createRuntime({ backends: [js] });

  it.each(cases)('computes %s', async (_, graph, dims) => {
    const { dtype } = graph.inputs[0]!;
    const x = tensor(dims, dtype as 'float32' | 'float16');
    const [got, want] = [await run(alone, graph, x), await run(scalar, graph, x)];
    const scale = Math.max(...want.map(Math.abs));
    const errors = want.map((value, i) => Math.abs(value - got[i]!));
    expect(got.length).toBe(want.length);
    expect(scale).toBeGreaterThan(0.1);
    expect(Math.max(...errors)).toBeLessThan((dtype === 'float16' ? 1e-3 : 3e-6) * scale);
  });
});

if (reason) it.skip(`computes alone what passes write for it (${reason})`, () => {});
