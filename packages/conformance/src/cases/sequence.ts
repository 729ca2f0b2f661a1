/** Attention and recurrent layers. */

import { type Dim, dim } from '@espalier/core';
import fc from 'fast-check';
import { largest } from '../tolerance.ts';
import { uniform, type Values } from '../values.ts';
import { attributes, type Case, edge, few, fixed, type OpCases, type Sizes, trim } from './define.ts';

const moderate = uniform(-1, 1);

/** A mask of what may be seen; the first key always, so that no query is left without. */
const mask: Values = ({ dtype, dims, random }) => {
  const columns = dims.at(-1) ?? 1;
  const count = dims.reduce((a, b) => a * b, 1);
  return Array.from({ length: count }, (_, i) => {
    const seen = i % columns === 0 || random.below(4) > 0;
    if (dtype === 'bool') return Number(seen);
    return seen ? random.next() : Number.NEGATIVE_INFINITY;
  });
};

const attention: OpCases = {
  op: 'Attention',
  domain: 'espalier',
  tolerance: largest(256),
  cases: ({ types: { T, M }, schema }) =>
    M !== 'bool' && M !== T
      ? undefined
      : fc
          .record({
            B: few(0, 2),
            Hkv: few(1, 3),
            groups: fc.constantFrom(1, 2, 3),
            Sq: edge(1, 33),
            Skv: edge(1, 33),
            D: edge(1, 33),
            Dv: edge(1, 33),
            mask: fc.constantFrom<'none' | 'pair' | 'batch' | 'full'>('none', 'pair', 'batch', 'full'),
            attrs: attributes(
              { is_causal: [0, 1], layout: ['BHSD', 'BSHD'], nan_to_zero: [0, 1], scale: [0.25, 1] },
              schema,
            ),
          })
          .map(({ groups, mask: kind, attrs, ...sizes }): Case => {
            const H = dim.mul('Hkv', groups);
            const isHeadsFirst = attrs['layout'] !== 'BSHD';
            const operand = (heads: Dim, positions: Dim, width: Dim) => ({
              shape: isHeadsFirst ? ['B', heads, positions, width] : ['B', positions, heads, width],
              values: moderate,
            });
            const masks = {
              none: undefined,
              pair: ['Sq', 'Skv'],
              batch: ['B', 1, 1, 'Skv'],
              full: ['B', H, 'Sq', 'Skv'],
            };
            const shape = masks[kind];
            return {
              inputs: trim([
                operand(H, 'Sq', 'D'),
                operand('Hkv', 'Skv', 'D'),
                operand('Hkv', 'Skv', 'Dv'),
                shape && { shape, values: mask },
              ]),
              attrs,
              sizes,
            };
          }),
  bench: () => ({
    inputs: ['q', 'k', 'v'].map(() => ({ shape: ['B', 'H', 'S', 'D'], values: moderate })),
    sizes: { B: fixed(1), H: fixed(12), S: fixed(128), D: fixed(64) },
  }),
};

/** Hidden sizes and steps stay small: rounding grows from step to step. */
const recurrent = (
  op: string,
  gates: number,
  outputs: readonly (readonly boolean[])[],
  more: Record<string, readonly number[]>,
): OpCases => ({
  op,
  tolerance: largest(2048),
  cases: ({ schema }) =>
    fc
      .record({
        S: few(1, 5),
        B: few(1, 3),
        I: edge(1, 17),
        H: edge(1, 17),
        bias: fc.boolean(),
        lengths: fc.boolean(),
        initial: fc.boolean(),
        peepholes: fc.boolean(),
        withSize: fc.boolean(),
        attrs: attributes(
          { ...more, direction: ['forward', 'reverse', 'bidirectional'], layout: [0, 1], clip: [0.5] },
          schema,
        ),
        outputs: fc.constantFrom(...outputs),
      })
      .map(({ S, B, I, H, bias, lengths, initial, peepholes, withSize, attrs, outputs }): Case => {
        const directions = attrs['direction'] === 'bidirectional' ? 2 : 1;
        const isBatchFirst = attrs['layout'] === 1;
        const rows = dim.mul('H', gates);
        const weight = (shape: readonly Dim[]) => ({ shape, values: uniform(-0.5, 0.5), weight: true });
        const state = { shape: isBatchFirst ? ['B', directions, 'H'] : [directions, 'B', 'H'], values: moderate };
        const sizes: Sizes = { S, B, I, H: withSize ? fixed(H[0]!) : H };
        return {
          inputs: trim([
            { shape: isBatchFirst ? ['B', 'S', 'I'] : ['S', 'B', 'I'], values: moderate },
            weight([directions, rows, 'I']),
            weight([directions, rows, 'H']),
            bias ? weight([directions, dim.mul(2, rows)]) : undefined,
            lengths
              ? { shape: ['B'], values: (context) => uniform(1, context.at['S']!)(context), within: ['S'] }
              : undefined,
            initial ? state : undefined,
            ...(gates === 4
              ? [initial ? state : undefined, peepholes ? weight([directions, dim.mul(3, 'H')]) : undefined]
              : []),
          ]),
          attrs: { ...attrs, ...(withSize ? { hidden_size: H[0]! } : {}) },
          sizes,
          outputs,
        };
      }),
  bench: () => ({
    inputs: [
      { shape: ['S', 'B', 'I'], values: moderate },
      { shape: [1, dim.mul('H', gates), 'I'], values: moderate, weight: true },
      { shape: [1, dim.mul('H', gates), 'H'], values: moderate, weight: true },
    ],
    sizes: { S: fixed(32), B: fixed(1), I: fixed(128), H: fixed(128) },
    outputs: [true, true],
  }),
});

const two = [[true], [true, true], [false, true]];

export const sequenceCases: readonly OpCases[] = [
  attention,
  recurrent('RNN', 1, two, {}),
  recurrent('GRU', 3, two, { linear_before_reset: [0, 1] }),
  recurrent('LSTM', 4, [...two, [true, true, true], [false, false, true]], { input_forget: [0] }),
];
