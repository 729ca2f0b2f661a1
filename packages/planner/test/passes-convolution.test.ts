import type { Attributes, Dim } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { writeTransposedConvolutions } from '../src/passes/write-transposed-convolutions.ts';
import { graph, input, node, opsOf } from './graph.ts';
import { apply, expectSameValues, expectUntouched, randomNumbers, randomTensor } from './passes.ts';

const random = randomNumbers(11);
const below = (n: number): number => Math.floor(random() * n);
const many = (count: number, of: () => number): number[] => Array.from({ length: count }, of);

const transposed = (x: readonly Dim[], w: readonly number[], attrs: Attributes, bias = true) =>
  graph([input('x', x)], 'y', [node('ConvTranspose', bias ? 'x w b' : 'x w', 'y', attrs)], {
    w: randomTensor(w, random),
    ...(bias ? { b: randomTensor([w[1]! * ((attrs['group'] as number) ?? 1)], random) } : {}),
  });

describe('write-transposed-convolutions', () => {
  it('reads the channels of 2 x 2 pixels side by side', async () => {
    const model = transposed(['batch', 6, 'n', 'm'], [6, 4, 2, 2], { strides: [2, 2] });
    const result = await apply(model, writeTransposedConvolutions);
    expect(opsOf(result)).toEqual(['Conv', 'Reshape', 'Transpose', 'Reshape']);
    expect(result.constants.get(result.nodes[0]!.inputs[1]!)!.dims).toEqual([16, 6, 1, 1]);
    await expectSameValues(model, result);
  });

  it('keeps sizes that are open, and crops', async () => {
    const attrs = { strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 0] };
    const model = transposed(['batch', 3, 'n', 'm'], [3, 2, 3, 3], attrs);
    const result = await apply(model, writeTransposedConvolutions);
    expect(opsOf(result)).toEqual(['Conv', 'Reshape', 'Transpose', 'Reshape', 'Pad']);
    await expectSameValues(model, result);
  });

  it('turns filters round where nothing lies between', async () => {
    const model = transposed([1, 4, 'n', 9], [4, 2, 3, 3], { group: 2, pads: [1, 0, 1, 2], dilations: [1, 2] });
    const result = await apply(model, writeTransposedConvolutions);
    expect(opsOf(result)).toEqual(['Conv']);
    await expectSameValues(model, result);
  });

  it('is left where it gives nothing', async () => {
    await expectUntouched(transposed([1, 1, 1], [1, 1, 2], { pads: [1, 1] }), [writeTransposedConvolutions]);
    await expectUntouched(transposed([1, 1, 'n'], [1, 1, 2], { pads: [1, 1] }), [writeTransposedConvolutions]);
  });

  it('gives the same for all kinds of windows', async () => {
    for (let i = 0; i < 50; i++) {
      const rank = 1 + below(3);
      const group = 1 + below(2);
      const [kernel, strides, dilations] = [4, 3, 2].map((most) => many(rank, () => 1 + below(most))) as [
        number[],
        number[],
        number[],
      ];
      const spatial = many(rank, () => 1 + below(5));
      const sizes: Dim[] = below(3) === 0 ? ['seq', 'n', 'm'].slice(0, rank) : spatial;
      const isFixed = sizes === spatial;
      const extents = kernel.map((k, axis) => (k - 1) * dilations[axis]! + 1);
      const how = below(4);
      const attrs: Attributes = {
        ...{ group, strides, dilations },
        ...(how === 0 ? { pads: [...extents, ...extents].map((extent) => below(Math.ceil(extent / 2))) } : {}),
        ...(how === 1 ? { output_padding: strides.map((stride) => below(stride)) } : {}),
        ...(how === 2 ? { auto_pad: below(2) === 0 ? 'SAME_UPPER' : 'SAME_LOWER' } : {}),
        ...(how === 3 && isFixed ? { output_shape: spatial.map((size, axis) => size * strides[axis]!) } : {}),
      };
      const model = transposed(
        ['batch', 2 * group, ...sizes],
        [2 * group, 1 + below(3), ...kernel],
        attrs,
        below(2) === 0,
      );
      const result = await apply(model, writeTransposedConvolutions);
      if (isFixed || how !== 2) expect(opsOf(result)).toContain('Conv');
      await expectSameValues(model, result);
    }
  });

  it('leaves filters that only a run knows', async () => {
    const model = graph([input('x', [1, 2, 4]), input('w', [2, 3, 2])], 'y', [node('ConvTranspose', 'x w', 'y')]);
    await expectUntouched(model, [writeTransposedConvolutions]);
  });
});
