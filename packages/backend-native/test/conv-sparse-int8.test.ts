/** Convolutions of bytes by sparse filters against the scalar backend, with guard pages. */

import { type Attributes, type Node, Tensor } from '@espalier/core';
import { expect, it } from 'vitest';
import { convolutionSparseBytes } from '../src/kernels/conv_sparse/bytes.ts';
import { avx512vnni } from '../src/kernels/matmul_int8/isa.ts';
import { bytes } from './bytes.ts';
import { comparison, js, knowing } from './convolved-bytes.ts';
import { describeDotIsas } from './dot-isas.ts';

/** Which weights are kept, by a random byte, the filter and the position in it. */
const patterns: Record<string, (chance: number, filter: number, position: number) => boolean> = {
  none: () => false,
  'a tenth': (chance) => chance < 26,
  half: (chance) => chance < 128,
  clustered: (_, filter, position) => (Math.floor(filter / 4) + Math.floor(position / 8)) % 3 === 0,
  'few full filters': (_, filter) => filter % 7 === 2,
};

function pruned(dims: readonly number[], pattern: string, seed: number): Tensor {
  const [weights, chances] = [bytes('int8', dims, seed), bytes('uint8', dims, seed + 100)];
  const depth = weights.size / dims[0]!;
  const data = (weights.data as Int8Array).map((weight, i) =>
    patterns[pattern]!(chances.data[i] as number, Math.floor(i / depth), i % depth) ? weight : 0,
  );
  return new Tensor('int8', data, dims);
}

interface Case {
  /** [batch, ...spatial, channels] */
  readonly x: readonly number[];
  /** [filters, channels, ...kernel] */
  readonly w: readonly number[];
  readonly attrs?: Attributes;
  readonly pattern?: string;
}

const cases: readonly Case[] = [
  ...Object.keys(patterns).map((pattern) => ({
    ...{ x: [1, 11, 13, 21], w: [33, 21, 3, 3], attrs: { pads: [1, 1, 1, 1] }, pattern },
  })),
  { x: [3, 7, 7, 64], w: [16, 64, 3, 3], attrs: { pads: [1, 1, 1, 1] } },
  { x: [2, 14, 15, 48], w: [50, 48, 3, 3], attrs: { pads: [1, 1, 1, 1] }, pattern: 'half' },
  { x: [1, 57, 56, 8], w: [20, 8, 3, 3], attrs: { pads: [1, 1, 1, 1] } },
  { x: [1, 20, 100, 3], w: [5, 3, 3, 3], attrs: { pads: [1, 1, 1, 1] }, pattern: 'half' },
  { x: [2, 23, 40, 4], w: [16, 4, 3, 3], attrs: { pads: [0, 1, 1, 0], strides: [2, 2] } },
  { x: [1, 28, 28, 12], w: [24, 12, 1, 1], attrs: { strides: [2, 2] } },
  { x: [1, 50, 47, 3], w: [20, 3, 7, 7], attrs: { pads: [3, 3, 3, 3], strides: [2, 2] }, pattern: 'half' },
  { x: [1, 20, 20, 6], w: [8, 6, 3, 3], attrs: { pads: [2, 2, 2, 2], dilations: [2, 2] } },
  { x: [1, 20, 21, 5], w: [8, 5, 3, 2], attrs: { pads: [4, 3, 1, 2], dilations: [3, 2], strides: [2, 3] } },
  { x: [1, 100, 5], w: [9, 5, 5], attrs: { pads: [2, 2] }, pattern: 'half' },
  { x: [1, 5, 6, 7, 3], w: [4, 3, 3, 2, 3], attrs: { pads: [1, 0, 1, 1, 1, 1], strides: [1, 2, 1] }, pattern: 'half' },
  { x: [1, 1, 1, 70], w: [65, 70, 1, 1] },
  { x: [1, 2, 3, 9], w: [7, 9, 5, 5], attrs: { pads: [4, 4, 4, 4] }, pattern: 'half' },
  { x: [1, 3, 2, 9], w: [7, 9, 3, 3], attrs: { pads: [5, 6, 7, 8], strides: [2, 2] }, pattern: 'half' },
  { x: [0, 10, 13, 4], w: [5, 4, 4, 4] },
];

describeDotIsas(
  {
    ...{ does: 'convolves bytes by sparse filters', what: 'convolutions of bytes by sparse filters', runs: 8 },
    table: [convolutionSparseBytes],
    kernelsFor: (isa) => (isa === avx512vnni ? [convolutionSparseBytes] : []),
  },
  (kernels, backend) => {
    const same = comparison(kernels, backend);

    if (kernels.length > 0)
      it.each(cases)('$x by $w $attrs $pattern', async ({ x, w, attrs = {}, pattern = 'a tenth' }) => {
        for (const type of ['uint8', 'int8'] as const) {
          const zeros = [bytes(type, [], 3), type === 'int8' ? new Tensor('int8', [0], []) : undefined];
          await same(bytes(type, x, 1), pruned(w, pattern, 2), attrs, zeros);
        }
      });

    const evaluate = async (op: string, inputs: readonly Tensor[], domain = '', attrs: Attributes = {}) => {
      const names = inputs.map((_, i) => `${i}`);
      return (await js({ name: op, op, domain, attrs, inputs: names, outputs: ['y'] }, inputs))[0]!;
    };
    const one = (value: number): Tensor => new Tensor('float32', Float32Array.of(value), []);

    if (kernels.length > 0)
      it.each(['uint8', 'int8'] as const)('add bytes and end in %s', async (result) => {
        const attrs = { pads: [1, 1, 1, 1] };
        const level = (value: number): Tensor => new Tensor(result, [value], []);
        const floats = (size: number): Tensor =>
          new Tensor(
            'float32',
            Float32Array.from({ length: size }, (_, i) => Math.sin(i + 1)),
            [size],
          );
        for (const filters of [35, 64]) {
          const conv = [
            ...[bytes('uint8', [2, 9, 10, 20], 1), one(2 ** -8), new Tensor('uint8', [120], [])],
            ...[pruned([filters, 20, 3, 3], 'a tenth', 2), floats(filters), new Tensor('int8', [0], [])],
          ];
          const [bias, first, second] = [floats(filters), [one(0.3), level(0)], [one(0.4), level(7)]] as const;
          const residual = [bytes(result, [2, 9, 10, filters], 4), one(0.25), level(0)];
          const epilogue = [
            ...[{ op: 'Add', inputs: [6] } as const, { op: 'QuantizeLinear', inputs: [7, 8] } as const],
            { op: 'DequantizeLinear', inputs: [7, 8] } as const,
            { op: 'DequantizeAdd', inputs: [9, 10, 11] } as const,
            { op: 'QuantizeLinear', inputs: [12, 13] } as const,
          ].map((step) => ({ ...step, attrs: {}, position: 0 }));
          const inputs = [...conv, bias, ...first, ...residual, ...second];
          let wanted = await evaluate('Add', [await evaluate('QuantizedConv', conv, 'espalier', attrs), bias]);
          wanted = await evaluate('DequantizeLinear', [await evaluate('QuantizeLinear', [wanted, ...first]), ...first]);
          wanted = await evaluate('Add', [wanted, await evaluate('DequantizeLinear', residual)]);
          wanted = await evaluate('QuantizeLinear', [wanted, ...second]);
          const names = inputs.map((_, i) => `${i}`);
          const node: Node = {
            ...{
              name: 'conv',
              op: 'QuantizedConv',
              domain: 'espalier',
              attrs,
              inputs: names,
              outputs: ['y'],
              epilogue,
            },
          };
          const [got] = await knowing(kernels, backend, inputs, [0, 9])(node, inputs);
          const differences = [...(got!.data as Int8Array)].map((y, i) => Math.abs(y - (wanted.data[i] as number)));
          // A bias is added without another rounding, which seldom decides a tie.
          expect(Math.max(...differences)).toBeLessThanOrEqual(1);
          expect(differences.filter((difference) => difference > 0).length).toBeLessThan(6);
          expect(new Set(got!.data as Int8Array).size).toBeGreaterThan(100);
        }
      });
  },
);
