/** Ops that give the same elements again: as they are, or as another dtype. */

import type { Call, HostKernel, Phase } from '@espalier/core';
import { define, each, type Operand, type Operands } from '../define.ts';
import { mersenneTwister } from '../mersenne.ts';
import { converter } from '../numeric.ts';
import { mapElements, stringOp, toTensor } from '../strings.ts';
import { fromText, toText } from '../text.ts';

const copy = (x: Operand, y: Operand): Phase => each(y.size, (from, to) => y.data.set(x.data.subarray(from, to), from));

const hasString = ({ inputs, outputs }: Call): boolean =>
  [inputs[0], outputs[0]].some((desc) => desc?.dtype === 'string');

const castKernels = (op: string): HostKernel[] => [
  define({
    op,
    compute: ({ inputs: [x], outputs: [y] }) => {
      const convert = converter(x!.dtype, y!.dtype);
      const [from, to] = [x!.data, y!.data];
      return each(y!.size, (start, end) => {
        for (let i = start; i < end; i++) to[i] = convert(from[i]);
      });
    },
  }),
  define({
    op,
    variant: 'string',
    reject: (call) => (hasString(call) ? undefined : 'neither side is string'),
    *evaluate({ node, inputs: [from], outputs: [to] }, [x]) {
      const read = toText(from!.dtype);
      const write = fromText(to!.dtype, node);
      const { dims, elements } = yield* mapElements(node, [x!], (element) => write(read(element)));
      return [toTensor(to!.dtype, elements, dims)];
    },
  }),
];

/** Zeroes elements at random and scales the others up, when it trains; the same ones for the same seed. */
function dropout({ inputs: [x, ratio, training], outputs: [y, mask], attrs }: Operands): Phase {
  const seed = (attrs.seed as number | undefined) ?? Math.floor(Math.random() * 2 ** 32);
  const uniform = mersenneTwister(seed);
  return {
    units: x!.size,
    sequential: true,
    run: (from, to) => {
      const dropped = training?.data[0] ? Number(ratio?.data[0] ?? 0.5) : 0;
      for (let i = from; i < to; i++) {
        const isKept = dropped === 0 || uniform() >= dropped;
        if (y) y.data[i] = isKept ? x!.data[i] / (1 - dropped) : 0;
        if (mask) mask.data[i] = isKept ? 1 : 0;
      }
    },
  };
}

export const cast: readonly HostKernel[] = [
  ...castKernels('Cast'),
  ...castKernels('CastLike'),
  define({ op: 'Identity', raw: true, compute: ({ inputs: [x], outputs: [y] }) => copy(x!, y!) }),
  stringOp({ op: 'Identity', types: { V: ['string'] }, element: () => (text) => text }),
  define({ op: 'Dropout', compute: dropout }),
];
