import { createJsBackend } from '@espalier/backend-js';
import {
  type AnyBackend,
  createEvaluator,
  createHostBackend,
  type Graph,
  type HostKernel,
  onnxOps,
  Tensor,
  UnsupportedError,
} from '@espalier/core';
import { describe, expect, it, vi } from 'vitest';
import { type DeviceProfile, explain, planGraph } from '../src/index.ts';

/** A kernel that exists to be priced: its work counts `macs` for each multiply-add that the op needs. */
function priced(op: string, name: string, more: Partial<HostKernel> = {}): HostKernel {
  return {
    name,
    op,
    work: (call, at) => {
      const size = (i: number): number =>
        call.inputs[i]!.shape.reduce<number>((n, d) => n * (typeof d === 'number' ? d : at[d]!), 1);
      const last = call.inputs[1]?.shape.at(-1);
      return { macs: op === 'MatMul' ? size(0) * (last as number) : size(0), bytes: 4 * size(0), resident: 0 };
    },
    prepare: () => ({ resident: 0, start: () => [] }),
    ...more,
  };
}

const backend = (id: string, kernels: readonly HostKernel[]): AnyBackend =>
  createHostBackend({ id, kernels, calibrate: async () => ({ macs: 1, bytes: 1, call: 1 }) });

const profile = (rates: DeviceProfile['rates']): DeviceProfile => ({
  version: 1,
  machine: 'a machine of the test',
  rates,
});

const rate = (macs: number, crossing = 1e-6) => ({ macs, bytes: 1e12, call: 1e-6, crossing });

const model: Graph = {
  name: 'mlp',
  inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 64] }],
  outputs: ['z'],
  nodes: [
    { name: 'mm', op: 'MatMul', domain: '', inputs: ['x', 'w'], outputs: ['y'], attrs: {} },
    { name: 'act', op: 'Relu', domain: '', inputs: ['y'], outputs: ['z'], attrs: {} },
  ],
  constants: new Map([['w', new Tensor('float32', new Float32Array(64 * 256), [64, 256])]]),
};

const slow = backend('slow', [priced('MatMul', 'matmul_slow'), priced('Relu', 'relu_slow')]);
const fast = backend('fast', [
  priced('MatMul', 'matmul_fast'),
  priced('MatMul', 'matmul_fussy', { work: () => ({ reason: 'wants 16 columns' }) }),
]);

const plan = async (backends: readonly AnyBackend[], rates: DeviceProfile['rates'], more = {}) =>
  (await planGraph(model, { backends, profile: profile(rates), ops: onnxOps, disable: [], ...more })).plan;

describe('planGraph', () => {
  it('takes the faster backend for the op that it is faster at', async () => {
    const { nodes } = await plan([slow, fast], { slow: rate(1e9), fast: rate(1e10) });
    expect(nodes.map((n) => `${n.backend}/${n.kernel}`)).toEqual(['fast/matmul_fast', 'slow/relu_slow']);
    expect(nodes[0]!.losers).toMatchObject([{ backend: 'slow', kernel: 'matmul_slow' }]);
    expect(nodes[0]!.refusals).toEqual([{ backend: 'fast', kernel: 'matmul_fussy', reason: 'wants 16 columns' }]);
  });

  it('stays when the crossing costs more than it saves', async () => {
    const { nodes } = await plan([slow, fast], { slow: rate(1e9, 1), fast: rate(1e10, 1) });
    expect(nodes.map((n) => n.backend)).toEqual(['slow', 'slow']);
  });

  it('changes its mind with the sizes to expect', async () => {
    const rates = { slow: { ...rate(1e9), call: 0 + 1e-7 }, fast: { ...rate(1e10), call: 1e-4 } };
    const small = await plan([slow, fast], rates, { expect: { batch: 1 } });
    const large = await plan([slow, fast], rates, { expect: { batch: 64 } });
    expect([small.nodes[0]!.backend, large.nodes[0]!.backend]).toEqual(['slow', 'fast']);
    expect(large.sizes).toEqual({ batch: 64 });
  });

  it('is the same JSON from run to run', async () => {
    const rates = { slow: rate(1e9), fast: rate(1e10) };
    const [a, b] = [await plan([slow, fast], rates), await plan([slow, fast], rates)];
    expect(JSON.stringify(a)).toBe(JSON.stringify(b));
    expect(JSON.parse(JSON.stringify(explain(a)))).toEqual(JSON.parse(JSON.stringify(a)));
    expect(JSON.parse(JSON.stringify(a)).nodes).toHaveLength(2);
  });

  it('reads as a table', async () => {
    const text = String(explain(await plan([slow, fast], { slow: rate(1e9), fast: rate(1e10) })));
    expect(text).toMatchInlineSnapshot(`
      "mlp: 2 nodes, predicted 4.9 us, 1.0 us of it moving values
      machine: a machine of the test; backends: slow, fast; at batch=1

      count  op      inputs                     backend/kernel    format  predicted  share  runner-up
      1      MatMul  f32[batch,64] f32[64,256]  fast/matmul_fast  dense   2.6 us     53.9%  slow/matmul_slow 17.4 us
      1      Relu    f32[batch,256]             slow/relu_slow    dense   1.3 us     25.7%

      passes:
        fuse-epilogues: 1 (2 -> 1 nodes)

      taken apart again:
        1 x no kernel does the whole: matmul_slow does not fuse Relu; matmul_fast does not fuse Relu; matmul_fussy does not fuse Relu"
    `);
  });

  it('names every node that nothing can run, at once, with reasons', async () => {
    const only = backend('fussy', [priced('MatMul', 'matmul_fussy', { work: () => ({ reason: 'wants 16 columns' }) })]);
    const error = await plan([only], { fussy: rate(1e9) }).catch((e) => e);
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(error.reasons).toEqual([
      'mm (MatMul): fussy/matmul_fussy wants 16 columns',
      'act (Relu): no backend has a kernel for it',
    ]);
  });

  it('is made for sizes at which every value has elements, where there are such', async () => {
    const ints = (value: number): Tensor => new Tensor('int64', [value], [1]);
    const sliced = (end: number): Graph => ({
      ...model,
      inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 'length'] }],
      nodes: [
        { name: 'rest', op: 'Slice', domain: '', inputs: ['x', 'start', 'end', 'axis'], outputs: ['z'], attrs: {} },
      ],
      constants: new Map([
        ['start', ints(200)],
        ['end', ints(end)],
        ['axis', ints(1)],
      ]),
    });
    const only = backend('only', [priced('Slice', 'slice')]);
    const sizes = async (end: number) =>
      (
        await planGraph(sliced(end), {
          ...{ backends: [only], profile: profile({ only: rate(1e9) }), ops: onnxOps, disable: [] },
        })
      ).plan.sizes;
    expect(await sizes(300)).toEqual({ batch: 1, length: 224 });
    expect(await sizes(100)).toEqual({ batch: 1, length: 128 });
  });

  it('takes the first dimension for a length where a batch of one makes no sense', async () => {
    const signal: Graph = {
      ...model,
      inputs: [{ name: 'x', dtype: 'float32', shape: ['samples'] }],
      nodes: [
        { name: 'rows', op: 'Unsqueeze', domain: '', inputs: ['x', 'axes'], outputs: ['rows'], attrs: {} },
        { name: 'conv', op: 'Conv', domain: '', inputs: ['rows', 'w'], outputs: ['z'], attrs: {} },
      ],
      constants: new Map([
        ['axes', new Tensor('int64', [0, 1], [2])],
        ['w', new Tensor('float32', new Float32Array(3), [1, 1, 3])],
      ]),
    };
    const only = backend('only', [priced('Unsqueeze', 'unsqueeze'), priced('Conv', 'conv')]);
    const { plan } = await planGraph(signal, {
      ...{ backends: [only], profile: profile({ only: rate(1e9) }), ops: onnxOps, disable: [] },
    });
    expect(plan.sizes).toEqual({ samples: 128 });
  });

  it('refuses sizes for dimensions that the model does not have', async () => {
    await expect(plan([slow], { slow: rate(1e9) }, { expect: { bach: 3 } })).rejects.toThrow(
      /no dimension "bach"; it has: batch/,
    );
  });

  it('refuses a profile without usable rates', async () => {
    const { calibrate } = await import('../src/index.ts');
    await expect(calibrate([slow], profile({ slow: { macs: 0, bytes: 1, call: 1 } }))).rejects.toThrow(
      /"macs" for backend "slow"/,
    );
  });
});

describe('epilogues', () => {
  const fused: Graph = {
    ...model,
    nodes: [
      {
        name: 'mm',
        op: 'MatMul',
        domain: '',
        inputs: ['x', 'w'],
        outputs: ['z'],
        attrs: {},
        epilogue: [{ op: 'Relu', attrs: {}, inputs: [], position: 0 }],
      },
    ],
  };
  const planFused = async (backends: readonly AnyBackend[], rates: DeviceProfile['rates']) =>
    (await planGraph(fused, { backends, profile: profile(rates), ops: onnxOps })).plan;

  it('stay fused where a kernel can and it pays', async () => {
    const fusing = backend('fusing', [
      priced('MatMul', 'matmul_fusing', { fuses: ['Relu'] }),
      priced('Relu', 'relu_fusing'),
    ]);
    const { nodes, unfused } = await planFused([fusing], { fusing: rate(1e9) });
    expect(nodes.map((n) => [n.kernel, ...n.epilogue])).toEqual([['matmul_fusing', 'Relu']]);
    expect(unfused).toEqual([]);
  });

  it('are taken out where no kernel does the whole', async () => {
    const { nodes, unfused } = await planFused([slow], { slow: rate(1e9) });
    expect(nodes.map((n) => n.kernel)).toEqual(['matmul_slow', 'relu_slow']);
    expect(unfused).toEqual([{ node: 'mm', reason: 'no kernel does the whole: matmul_slow does not fuse Relu' }]);
  });
});

describe('a fused node taken apart', () => {
  it('computes what it can with constants once, not with each run', async () => {
    const weights = new Tensor('int8', new Int8Array(64 * 256).fill(2), [64, 256]);
    const part = (op: string, inputs: string[], outputs: string[]) => ({
      name: `${op} part`,
      op,
      domain: '',
      inputs,
      outputs,
      attrs: {},
    });
    const graph: Graph = {
      ...model,
      outputs: ['y'],
      nodes: [
        {
          ...part('DequantizeMatMul', ['x', 'w', 'scale'], ['y']),
          domain: 'espalier',
          decomposition: [part('DequantizeLinear', ['w', 'scale'], ['wide']), part('MatMul', ['x', 'wide'], ['y'])],
        },
      ],
      constants: new Map([
        ['w', weights],
        ['scale', new Tensor('float32', new Float32Array([0.5]), [])],
      ]),
    };
    const evaluate = createEvaluator(createJsBackend(), onnxOps);
    const only = backend('only', [priced('MatMul', 'matmul_only'), priced('DequantizeLinear', 'widen_only')]);
    const options = { backends: [only], profile: profile({ only: rate(1e9) }), ops: onnxOps, evaluate };
    const planned = await planGraph(graph, options);
    expect(planned.plan.nodes.map((n) => n.kernel)).toEqual(['matmul_only']);
    expect(planned.plan.unfused).toHaveLength(1);
    expect(planned.assignments[0]!.constants[1]!.tensor.data).toEqual(new Float32Array(64 * 256).fill(1));
    const kept = await planGraph(graph, { ...options, disable: ['dequantize-constants'] });
    expect(kept.plan.nodes.map((n) => n.kernel)).toEqual(['widen_only', 'matmul_only']);
  });
});

it('gives the event loop its turns, however long the graph is', async () => {
  const LENGTH = 300;
  const nodes = Array.from({ length: LENGTH }, (_, i) => ({
    ...model.nodes[1]!,
    name: `n${i}`,
    inputs: [`v${i}`],
    outputs: [`v${i + 1}`],
  }));
  const inputs = [{ ...model.inputs[0]!, name: 'v0' }];
  const chain: Graph = { ...model, inputs, nodes, outputs: [`v${LENGTH}`], constants: new Map() };
  // A millisecond passes whenever somebody looks.
  let now = 0;
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now++);
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns++;
    if (!isOver) setImmediate(turn);
  };
  setImmediate(turn);
  try {
    await planGraph(chain, { backends: [slow], profile: profile({ slow: rate(1e9) }), ops: onnxOps });
  } finally {
    isOver = true;
    clock.mockRestore();
  }
  expect(turns).toBeGreaterThan(LENGTH / 10);
});
