/** Matrix products. */

import { type Dim, type DType, dim, dtypes, Tensor } from '@espalier/core';
import fc from 'fast-check';
import { exact, nearby, sums, type Tolerance, ulps } from '../tolerance.ts';
import { anything, ordinary, scales, uniform, type Values } from '../values.ts';
import {
  attributes,
  type Broadcast,
  broadcast,
  type Case,
  type CaseInput,
  edge,
  few,
  fixed,
  type OpCases,
  type Sizes,
  trim,
} from './define.ts';

interface Product {
  readonly a: readonly Dim[];
  readonly b: readonly Dim[];
  readonly sizes: Sizes;
  readonly linked: readonly (readonly string[])[];
}

/** Operands of a product by numpy's rules: vectors, matrices, and stacks of them that broadcast. */
const products: fc.Arbitrary<Product> = fc
  .record({
    M: edge(),
    K: edge(),
    N: edge(),
    stack: broadcast(2, { maxRank: 3, prefix: 'b' }).map(keepSmall),
    aIsVector: fc.nat(7).map((n) => n === 7),
    bIsVector: fc.nat(7).map((n) => n === 7),
    isStack: fc.boolean(),
  })
  .map(({ M, K, N, stack, aIsVector, bIsVector, isStack }) => {
    const [left, right] = isStack && !aIsVector && !bIsVector ? stack.shapes : [[], []];
    const a = [...left!, ...(aIsVector ? [] : ['M']), 'K'];
    const b = [...right!, 'K', ...(bIsVector ? [] : ['N'])];
    const used = new Set<Dim>([...a, ...b].flatMap((d) => dim.symbols(d)));
    const sizes = Object.fromEntries(Object.entries({ M, K, N, ...stack.sizes }).filter(([name]) => used.has(name)));
    const linked = stack.linked.map((group) => group.filter((name) => used.has(name)));
    return { a, b, sizes, linked };
  });

function keepSmall({ sizes, ...rest }: Broadcast): Broadcast {
  return {
    ...rest,
    sizes: Object.fromEntries(
      Object.entries(sizes).map(([name, list]) => [name, list.map((size) => Math.min(size, 3))]),
    ),
  };
}

const small: Values = (context) => (context.dtype.includes('float') ? ordinary(context) : uniform(-9, 9)(context));

const benchSizes = { M: fixed(128), K: fixed(768), N: fixed(768) };

/** A zero point or scale: one number, or one for each row or column of a product's operand. */
function perVector(shape: readonly Dim[], axis: -1 | -2, how: number, values: Values): CaseInput {
  if (how === 0 || shape.length < 2) return { shape: [], values };
  if (how === 1) return { shape: [shape.at(axis)!], values };
  return { shape: shape.with(axis === -1 ? -2 : -1, 1), values };
}

const matmul: OpCases = {
  op: 'MatMul',
  tolerance: sums(({ inputs: [a] }) => a!.dims.at(-1)!),
  cases: () =>
    products.map(({ a, b, sizes, linked }) => ({
      inputs: [
        { shape: a, values: small },
        { shape: b, values: small, weight: true },
      ],
      sizes,
      linked,
    })),
  bench: () => ({
    inputs: [
      { shape: ['M', 'K'], values: small },
      { shape: ['K', 'N'], values: small, weight: true },
    ],
    sizes: benchSizes,
  }),
};

const factors = (dtype: DType): number[] => (dtypes[dtype].kind === 'float' ? [1, 0.5, -2] : [1, 2]);

const gemm: OpCases = {
  op: 'Gemm',
  tolerance: sums(({ inputs: [a], node }) => a!.dims[node.attrs['transA'] ? 0 : 1]! + 2),
  cases: ({ schema, types: { T } }) =>
    fc
      .record({
        M: edge(),
        K: edge(),
        N: edge(),
        bias: fc.constantFrom(undefined, [], [1], ['N'], [1, 'N'], ['M', 1], ['M', 'N']),
        attrs: attributes({ alpha: factors(T!), beta: factors(T!), transA: [0, 1], transB: [0, 1] }, schema),
      })
      .map(
        ({ M, K, N, bias, attrs }): Case => ({
          inputs: trim([
            { shape: attrs['transA'] ? ['K', 'M'] : ['M', 'K'], values: small },
            { shape: attrs['transB'] ? ['N', 'K'] : ['K', 'N'], values: small, weight: true },
            bias && { shape: bias, values: small },
          ]),
          attrs,
          sizes: { M, K, N },
        }),
      ),
  bench: () => ({
    inputs: [
      { shape: ['M', 'K'], values: small },
      { shape: ['N', 'K'], values: small, weight: true },
      { shape: ['N'], values: small },
    ],
    attrs: { transB: 1 },
    sizes: benchSizes,
  }),
};

const matmulInteger: OpCases = {
  op: 'MatMulInteger',
  tolerance: exact,
  cases: () =>
    fc
      .record({ product: products, aZero: fc.nat(3), bZero: fc.nat(3) })
      .map(({ product: { a, b, sizes, linked }, aZero, bZero }) => ({
        inputs: trim([
          { shape: a, values: anything },
          { shape: b, values: anything, weight: true },
          aZero === 3 ? undefined : perVector(a, -2, aZero, anything),
          bZero === 3 ? undefined : perVector(b, -1, bZero, anything),
        ]),
        sizes,
        linked,
      })),
  bench: () => ({
    inputs: [
      { shape: ['M', 'K'], values: anything },
      { shape: ['K', 'N'], values: anything, weight: true },
    ],
    sizes: benchSizes,
  }),
};

const qlinearMatmul: OpCases = {
  op: 'QLinearMatMul',
  tolerance: nearby(6),
  cases: () =>
    fc
      .record({ product: products, aHow: fc.nat(2), bHow: fc.nat(2) })
      .map(({ product: { a, b, sizes, linked }, aHow, bHow }) => ({
        inputs: [
          { shape: a, values: anything },
          perVector(a, -2, aHow, scales),
          perVector(a, -2, aHow, anything),
          { shape: b, values: anything, weight: true },
          perVector(b, -1, bHow, scales),
          perVector(b, -1, bHow, anything),
          { shape: [], values: uniform(1, 4) },
          { shape: [], values: anything },
        ],
        sizes,
        linked,
      })),
};

const det: OpCases = {
  op: 'Det',
  tolerance: ulps(64, 64),
  cases: () =>
    fc.record({ n: few(1, 4), stack: few(0, 3), isStack: fc.boolean() }).map(({ n, stack, isStack }) => ({
      inputs: [{ shape: [...(isStack ? ['stack'] : []), 'n', 'n'], values: uniform(-2, 2) }],
      sizes: isStack ? { n, stack } : { n },
    })),
};

const equations: readonly (readonly [string, ...(readonly Dim[])[]])[] = [
  ['ij,jk->ik', ['I', 'J'], ['J', 'K']],
  ['ij,kj', ['I', 'J'], ['K', 'J']],
  ['bij,bjk->bik', ['B', 'I', 'J'], ['B', 'J', 'K']],
  ['bhid,bhjd->bhij', ['B', 2, 'I', 'D'], ['B', 2, 'J', 'D']],
  ['...ij,...jk->...ik', ['B', 'I', 'J'], ['J', 'K']],
  ['i,j->ij', ['I'], ['J']],
  ['ij->ji', ['I', 'J']],
  ['ij->', ['I', 'J']],
  ['ii->i', ['I', 'I']],
  ['ij,j,ik->k', ['I', 'J'], ['J'], ['I', 'K']],
];

const einsum: OpCases = {
  op: 'Einsum',
  tolerance: sums(({ inputs }) => Math.max(...inputs.map((input) => input!.size))),
  cases: () =>
    fc
      .record({
        equation: fc.constantFrom(...equations),
        B: few(0, 3),
        I: edge(0, 17),
        J: edge(0, 17),
        K: edge(0, 17),
        D: edge(0, 17),
      })
      .map(({ equation: [equation, ...shapes], ...all }) => {
        const used = new Set(shapes.flat());
        return {
          inputs: shapes.map((shape) => ({ shape, values: uniform(-2, 2) })),
          attrs: { equation },
          sizes: Object.fromEntries(Object.entries(all).filter(([name]) => used.has(name))),
        };
      }),
};

const quantizedMatMul: OpCases = {
  op: 'QuantizedMatMul',
  domain: 'espalier',
  // The sums are exact; they are rounded to float32, and so are both products of scales.
  tolerance: ulps(4),
  cases: () =>
    fc
      .record({ product: products, perColumn: fc.boolean(), aZero: fc.boolean(), bZero: fc.boolean() })
      .map(({ product: { a, b, sizes, linked }, perColumn, aZero, bZero }) => {
        const columns = perColumn && b.length > 1 ? [b.at(-1)!] : [];
        return {
          inputs: trim([
            { shape: a, values: anything },
            { shape: [], values: scales },
            aZero ? { shape: [], values: anything } : undefined,
            { shape: b, values: anything, weight: true },
            { shape: columns, values: scales },
            bZero ? { shape: columns, values: anything } : undefined,
          ]),
          sizes,
          linked,
        };
      }),
  bench: () => ({
    inputs: [
      { shape: ['M', 'K'], values: anything },
      { shape: [], values: scales },
      { shape: [], values: anything },
      { shape: ['K', 'N'], values: anything, weight: true },
      { shape: ['N'], values: scales },
    ],
    sizes: benchSizes,
  }),
};

/**
 * As for the product with the weights as float: those of integers less their zero points have no magnitudes of their own. Weights are coarse,
 * so that numbers of A count as much as the largest of their row: kernels may have them as fixed-point numbers.
 */
const dequantized: Tolerance = async (evaluated) => {
  const { node, evaluate } = evaluated;
  // DequantizeLinear knows no float64; of magnitudes float32 is enough.
  const inputs = evaluated.inputs.map((tensor) =>
    tensor?.type === 'float64'
      ? new Tensor('float32', new Float32Array(tensor.data as Float64Array), tensor.dims)
      : tensor,
  );
  const [a] = inputs;
  const { sparse_input: _, ...attrs } = node.attrs;
  const wide = { ...node, op: 'DequantizeLinear', domain: '', inputs: node.inputs.slice(1, 4), attrs };
  const [b] = await evaluate(wide, inputs.slice(1, 4));
  const product = { ...node, op: 'MatMul', domain: '', inputs: ['a', 'b'], attrs: {} };
  return sums(() => a!.dims.at(-1)! * 2)({ ...evaluated, node: product, inputs: [largest(a!), b] });
};

/** The largest magnitude of its row for each element. */
function largest(a: Tensor): Tensor {
  if (a.type !== 'float32') return a;
  const k = a.dims.at(-1)!;
  const data = Float32Array.from(a.data as Float32Array, Math.abs);
  for (let row = 0; row < data.length; row += k)
    data.fill(
      data.subarray(row, row + k).reduce((x, y) => Math.max(x, y), 0),
      row,
      row + k,
    );
  return new Tensor('float32', data, a.dims);
}

const castMatMul: OpCases = {
  op: 'CastMatMul',
  domain: 'espalier',
  tolerance: async (evaluated) => {
    const { node, inputs, evaluate } = evaluated;
    const cast = { ...node, op: 'Cast', domain: '', inputs: ['b'], attrs: { to: dtypes.float32.onnx } };
    const [b] = await evaluate(cast, inputs.slice(1));
    const product = { ...node, op: 'MatMul', domain: '' };
    return sums(() => b!.dims[0]!)({ ...evaluated, node: product, inputs: [inputs[0], b] });
  },
  cases: () =>
    fc
      .record({ M: edge(), K: edge(), N: edge(), stack: few(0, 3), isStack: fc.boolean() })
      .map(({ M, K, N, stack, isStack }): Case => {
        return {
          inputs: [
            { shape: [...(isStack ? ['stack'] : []), 'M', 'K'], values: ordinary },
            { shape: ['K', 'N'], values: ordinary, weight: true },
          ],
          sizes: { M, K, N, ...(isStack ? { stack } : {}) },
        };
      }),
};

const dequantizeMatMul: OpCases = {
  op: 'DequantizeMatMul',
  domain: 'espalier',
  tolerance: dequantized,
  cases: () =>
    fc
      .record({
        M: edge(),
        K: edge(1),
        N: edge(1),
        stack: few(0, 3),
        isStack: fc.boolean(),
        how: fc.constantFrom('one', 'axis', 'block'),
        axis: fc.constantFrom(0, 1, -1),
        block: fc.constantFrom(2, 16, 32),
        zero: fc.boolean(),
        isSparse: fc.boolean(),
      })
      .map(({ M, K, N, stack, isStack, how, axis, block, zero, isSparse }): Case => {
        const weight = ['K', 'N'];
        const at = axis === -1 ? 1 : axis;
        const blocks = weight.map((d, i) => (i === at ? dim.ceilDiv(d, block) : d));
        const granularity = { one: [], axis: [weight[at]!], block: blocks }[how];
        return {
          inputs: trim([
            { shape: [...(isStack ? ['stack'] : []), 'M', 'K'], values: ordinary },
            { shape: weight, values: anything, weight: true },
            { shape: granularity, values: scales },
            zero ? { shape: granularity, values: uniform(-8, 15) } : undefined,
          ]),
          attrs: { axis, ...(how === 'block' ? { block_size: block } : {}), ...(isSparse ? { sparse_input: 1 } : {}) },
          sizes: { M, K, N, ...(isStack ? { stack } : {}) },
        };
      }),
};

export const matmulCases: readonly OpCases[] = [
  matmul,
  gemm,
  matmulInteger,
  qlinearMatmul,
  det,
  einsum,
  quantizedMatMul,
  castMatMul,
  dequantizeMatMul,
];
