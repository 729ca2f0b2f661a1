/** Softmax of float32 over the last axis. */

import { type Call, normalizeAxis, sizeOf } from '@espalier/core';
import { r8, r10 } from '@espalier/x64';
import type { NativeKernel } from '../../kernel.ts';
import { EXP_TEMPORARIES, emitExp, type Vectors } from '../../math/index.ts';
import type { NativeCall } from '../../program.ts';
import { addressOf, type Cost, columnsOf, elementWork, programOf, sameSize } from '../elements.ts';
import { emitFold, emitPass, emitRows, UNROLL, unitRows, widths } from '../row.ts';

const COST: Cost = [15, 23];

/** Three passes over a row that stays in the cache: the greatest element, powers and their sum, division by it. */
function emitSoftmax(v: Vectors): void {
  const { a } = v;
  const sums = Array.from({ length: UNROLL }, (_, i) => v.register(i));
  const [x, top] = [v.register(4), v.register(5)];
  const temporaries = Array.from({ length: EXP_TEMPORARIES }, (_, i) => v.register(6 + i));
  emitRows(a, [r8, r10], [], () => {
    v.fill(top, Number.NEGATIVE_INFINITY);
    for (const each of sums) a.vmovaps(each, top);
    emitPass(v, (block) => {
      block.loadOr(x, r8, top);
      a.vmaxps(sums[block.index]!, sums[block.index]!, x);
    });
    emitFold(v, sums, 'vmaxps');
    a.vmovaps(top, sums[0]!);
    for (const each of sums) a.vxorps(each, each, each);
    emitPass(v, (block) => {
      block.load(x, r8);
      a.vsubps(x, x, top);
      emitExp(v, x, temporaries);
      block.clear(x);
      block.store(r10, x);
      a.vaddps(sums[block.index]!, sums[block.index]!, x);
    });
    emitFold(v, sums, 'vaddps');
    v.fill(top, 1);
    a.vdivps(top, top, sums[0]!);
    emitPass(v, (block) => {
      block.load(x, r10);
      a.vmulps(x, x, top);
      block.store(r10, x);
    });
  });
}

const rowsOf = (call: NativeCall): number => sizeOf(call.inputs[0]!.dims.slice(0, -1));
const unitOf = (call: NativeCall): number => unitRows(rowsOf(call), columnsOf(call), call.threads);

const isLastAxis = ({ inputs: [x], attrs }: Call): boolean =>
  normalizeAxis(attrs['axis'] as number, x!.shape.length) === x!.shape.length - 1;

export const softmax: readonly NativeKernel[] = widths.map(({ name, isWide, lanes, requires }) => ({
  name: `softmax_f32_dense_${lanes}__${name}`,
  op: 'Softmax',
  requires,
  types: { T: ['float32'] },
  work: (call, at) => (isLastAxis(call) ? elementWork(call, at, isWide, COST) : { reason: 'its axis is not the last' }),
  prepare: (_call, _constants, engine) =>
    programOf(engine, isWide, emitSoftmax, {
      units: (call) => (columnsOf(call) === 0 ? 0 : Math.ceil(rowsOf(call) / unitOf(call))),
      args: (call) => {
        const [x, y] = [call.inputs[0], call.outputs[0]];
        sameSize('input and output', x, y);
        return [rowsOf(call), unitOf(call), columnsOf(call), addressOf(x), addressOf(y)];
      },
    }),
}));
