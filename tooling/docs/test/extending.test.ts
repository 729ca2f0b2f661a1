/** The kernel and the backend that docs/ shows: they are right, they are chosen where they are faster, and the pages hold them whole. */

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createJsBackend } from '@espalier/backend-js';
import { type BenchOptions, benchBackend, conformanceTests } from '@espalier/conformance';
import { type AnyBackend, type DType, type Graph, type Node, Tensor, toFloat16 } from '@espalier/core';
import { createRuntime } from '@espalier/runtime';
import { describe, expect, it } from 'vitest';
import { createTableBackend } from '../../../docs/examples/third-party-backend.ts';
import { sparseJs, sparseMatMul } from '../../../docs/examples/third-party-kernel.ts';

const docs = resolve(import.meta.dirname, '../../../docs');

describe.each([
  ['writing-a-kernel.md', 'third-party-kernel.ts'],
  ['writing-a-backend.md', 'third-party-backend.ts'],
])('%s', (page, file) => {
  const source = readFileSync(join(docs, 'examples', file), 'utf8');

  it(`holds ${file} as it is`, () => {
    expect(readFileSync(join(docs, page), 'utf8')).toContain(`\`\`\`ts\n${source}\`\`\``);
  });

  it('fits on a screen', () => {
    expect(source.split('\n').length).toBeLessThanOrEqual(60);
  });
});

const tables = createTableBackend();
const own = [
  ...conformanceTests(sparseJs).filter(({ name }) => name.startsWith(sparseMatMul.name)),
  ...conformanceTests(tables),
];
describe('the suite', () => {
  it.each(own)('$name', ({ run }) => run());
});

/** A graph of one node on `x`, with a constant second operand where there is one. */
function graphOf(op: string, dtype: DType, shape: readonly (number | string)[], weights?: Tensor): Graph {
  const inputs = weights ? ['x', 'w'] : ['x'];
  const node: Node = { name: 'node', op, domain: '', inputs, outputs: ['y'], attrs: {} };
  const relu: Node = { name: 'relu', op: 'Relu', domain: '', inputs: ['y'], outputs: ['z'], attrs: {} };
  return {
    name: 'example',
    inputs: [{ name: 'x', dtype, shape }],
    outputs: [weights ? 'z' : 'y'],
    nodes: weights ? [node, relu] : [node],
    constants: new Map(weights ? [['w', weights]] : []),
  };
}

describe('the planner', () => {
  /** The plan for a product with weights of which `zeros` are zero, and what it gives. */
  const product = async (backend: AnyBackend, zeros: number) => {
    const every = Math.round(1 / (1 - zeros));
    const data = Float32Array.from({ length: 64 * 48 }, (_, i) => (i % every === 0 ? (i % 7) - 3.5 : 0));
    const runtime = createRuntime({ backends: [backend] });
    const graph = graphOf('MatMul', 'float32', ['rows', 64], new Tensor('float32', data, [64, 48]));
    const session = await runtime.createSession(graph, { dims: { rows: 128 } });
    const x = new Tensor(
      'float32',
      Float32Array.from({ length: 3 * 64 }, (_, i) => (i % 5) - 2),
      [3, 64],
    );
    const { z } = await session.run({ x });
    await session.dispose();
    return { explanation: session.explain(), result: z!.data };
  };

  it('takes the kernel, with the Relu behind it fused, where enough of the constant weights is zero', async () => {
    const { explanation, result } = await product(sparseJs, 0.95);
    const [node, ...rest] = explanation.nodes;
    expect(rest).toEqual([]);
    expect(node).toMatchObject({ kernel: sparseMatMul.name, backend: 'js', format: 'csc', epilogue: ['Relu'] });
    expect(`${explanation}`).toContain(`js/${sparseMatMul.name}`);
    expect(result).toEqual((await product(createJsBackend(), 0.95)).result);
    const dense = (await product(sparseJs, 0)).explanation.nodes[0];
    expect(dense).toMatchObject({ kernel: 'matmul_dense__js', losers: [{ kernel: sparseMatMul.name }] });
  });

  it('takes the tables for float16, and not for float32', async () => {
    const runtime = createRuntime({ backends: [tables, createJsBackend()] });
    const chosen = async (dtype: DType): Promise<string[]> => {
      const session = await runtime.createSession(graphOf('Tanh', dtype, ['n']), { dims: { n: 100_000 } });
      const { nodes } = session.explain();
      await session.dispose();
      return nodes.flatMap(({ backend, kernel, losers }) => [
        `${backend}/${kernel}`,
        ...losers.map((loser) => `${loser.backend}/${loser.kernel}`),
      ]);
    };
    expect(await chosen('float16')).toEqual(['tables/tanh_f16_table__js', 'js/tanh_dense__js']);
    expect(await chosen('float32')).toEqual(['js/tanh_dense__js']);
    const session = await runtime.createSession(graphOf('Tanh', 'float16', ['n']));
    const bits = [0, 0.5, -1, 30].map(toFloat16);
    const { y } = await session.run({ x: new Tensor('float16', new Uint16Array(bits), [4]) });
    expect([...(y!.data as Uint16Array)]).toEqual([0, Math.tanh(0.5), Math.tanh(-1), 1].map(toFloat16));
    await session.dispose();
  });

  it('is right: they are faster', async () => {
    /** Seconds by kernel, the best of a few benches in turns: others may use the machine. */
    const best: Record<string, number> = {};
    const options: BenchOptions = {
      only: ['MatMul', 'Tanh'],
      shapes: { MatMul: [{ M: 64, K: 256, N: 256 }], Tanh: [{ rows: 256, columns: 256 }] },
      zeros: [0.95],
      dtypes: ['float16'],
      seconds: 0.02,
      log: () => {},
    };
    for (let round = 0; round < 3; round++) {
      const float32 = await benchBackend(sparseJs, { ...options, only: ['MatMul'], dtypes: [] });
      const rows = [
        ...float32,
        ...(await benchBackend(tables, options)),
        ...(await benchBackend(createJsBackend(), { ...options, only: ['Tanh'] })),
      ];
      for (const { kernel, seconds } of rows)
        best[kernel] = Math.min(best[kernel] ?? Number.POSITIVE_INFINITY, seconds);
    }
    expect(best[sparseMatMul.name]).toBeLessThan(best['matmul_dense__js']!);
    expect(best['tanh_f16_table__js']).toBeLessThan(best['tanh_dense__js']!);
  });
});
