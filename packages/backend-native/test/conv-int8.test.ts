/** Convolutions of bytes against the scalar backend, for each instruction set, with guard pages. */

import { it } from 'vitest';
import { convInt8, kernelsFor } from '../src/kernels/conv_int8/index.ts';
import { bytes } from './bytes.ts';
import { comparison } from './convolved-bytes.ts';
import { describeDotIsas } from './dot-isas.ts';

describeDotIsas(
  { does: 'convolves bytes', what: 'convolutions of bytes', table: convInt8, runs: 8, kernelsFor },
  (kernels, backend) => {
    const same = comparison(kernels, backend);

    it('see every edge', async () => {
      for (let i = 0; i < 24; i++) {
        const kernel = [1 + (i % 5), 1 + ((i * 3) % 7)];
        const channels = [1, 3, 4, 16, 21, 64, 65, 130][i % 8]!;
        const attrs = { pads: [i % 3, i % 4, (i * 2) % 3, i % 5], strides: [1 + (i % 2), 1 + (i % 3)] };
        const dilations = [1 + (i % 3 === 2 ? 1 : 0), 1 + (i % 4 === 3 ? 1 : 0)];
        const [x, w] = [i % 2 ? 'uint8' : 'int8', i % 3 ? 'int8' : 'uint8'] as const;
        const zeros = [bytes(x, [], i), i % 4 === 1 ? bytes(w, [5], i) : undefined];
        await same(
          bytes(x, [1 + (i % 2), 9, 11, channels], i),
          bytes(w, [5, channels, ...kernel], i + 1),
          { ...attrs, dilations },
          zeros,
        );
      }
    });

    it('have groups, one axis and three', async () => {
      await same(bytes('uint8', [2, 19, 12], 1), bytes('int8', [9, 4, 3], 2), { group: 3, pads: [2, 0] }, [
        bytes('uint8', [], 4),
      ]);
      await same(bytes('int8', [1, 7, 12], 1), bytes('int8', [12, 1, 2], 2), { group: 12 }, [bytes('int8', [], 4)]);
      const pads = [1, 0, 2, 0, 1, 1];
      await same(bytes('uint8', [2, 4, 5, 6, 6], 3), bytes('int8', [34, 6, 2, 3, 3], 4), { pads, strides: [1, 2, 1] }, [
        bytes('uint8', [], 9),
      ]);
      await same(bytes('uint8', [1, 5, 4, 3, 4], 3), bytes('uint8', [4, 2, 3, 1, 2], 4), { pads, group: 2 }, [
        bytes('uint8', [], 9),
      ]);
    });

    it('take each channel by itself', async () => {
      for (const [i, channels] of [1, 7, 16, 31, 32, 33, 65, 96, 200].entries()) {
        const kernel = [
          [3, 3],
          [1, 1],
          [5, 2],
          [2, 2],
        ][i % 4]!;
        const x = i % 2 ? 'int8' : 'uint8';
        const attrs = { group: channels, pads: [1, 0, 1, 1], strides: [1 + (i % 2), 1 + (i % 3 === 0 ? 1 : 0)] };
        const zeros = [i % 3 ? bytes(x, [], i) : undefined];
        await same(bytes(x, [2, 8, 9, channels], i), bytes('int8', [channels, 1, ...kernel], i + 5), attrs, zeros);
      }
      const attrs = { group: 40, pads: [1, 1, 1, 1] };
      await same(bytes('uint8', [1, 31, 29, 40], 1), bytes('int8', [40, 1, 3, 3], 2), attrs, [bytes('uint8', [], 3)]);
      await same(bytes('uint8', [1, 9, 9, 40], 1), bytes('uint8', [40, 1, 3, 3], 2), attrs, [bytes('uint8', [], 3)]);
    });

    it('cut what is large into many units', async () => {
      await same(bytes('uint8', [1, 29, 31, 70], 1), bytes('int8', [97, 70, 3, 3], 2), { pads: [1, 1, 1, 1] }, [
        bytes('uint8', [], 3),
      ]);
      await same(bytes('int8', [3, 7, 7, 300], 1), bytes('uint8', [40, 300, 3, 3], 2), { pads: [1, 1, 1, 1] }, [
        bytes('int8', [], 3),
      ]);
    });
  },
);
