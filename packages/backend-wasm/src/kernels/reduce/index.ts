/** Reductions of float32 and int32 along any axes. */

import { bindShape, dtypes, sizeOf } from '@espalier/core';
import { foldedAxes, foldsNeighbours, reductionWalk, tensorBytes, unitElements, walkArgs } from '@espalier/lowering';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import { bySizes } from '../bysizes.ts';
import { elementLaw, programOf } from '../elements.ts';
import { emitReduction, foldedArgs } from './emit.ts';
import { type Reduction, reductions } from './functions.ts';

/** What it takes to begin and to end a total of neighbours beside its elements, in multiply-adds. */
const END = 60;

function row(reduction: Reduction, isa: Isa): WasmKernel {
  const { op, dtype, cost } = reduction;
  const name = `${op.toLowerCase()}_${dtypes[dtype].short}_dense_4__${isa.name}`;
  return {
    name,
    op,
    requires: isa.requires,
    types: { T: [dtype] },
    work(call, at, constants) {
      const axes = foldedAxes(call, constants);
      if (typeof axes === 'string') return { reason: axes };
      const [inputs, outputs] = [call.inputs[0]!, call.outputs[0]!].map(({ shape }) => sizeOf(bindShape(shape, at)));
      const ends = foldsNeighbours(call, axes) ? END * outputs! : 0;
      return { macs: cost * inputs! + ends, bytes: tensorBytes(call, at), resident: 0 };
    },
    law: elementLaw,
    prepare(call, constants, engine) {
      const axes = foldedAxes(call, constants) as readonly number[];
      const isInner = foldsNeighbours(call, axes);
      const layout = bySizes(({ inputs: [x], outputs: [y], threads }) => {
        const walk = reductionWalk(x!.dims, y!.dims, axes, isInner, 4);
        const unit = Math.ceil(unitElements(walk.size * walk.count, threads) / Math.max(1, walk.count));
        return { ...walk, unit };
      });
      return programOf(engine, name, { isInner }, () => emitReduction(reduction, isa.isRelaxed, isInner), {
        units: (bound) => Math.ceil(layout(bound).size / layout(bound).unit),
        args(bound) {
          const { folded, kept, count, unit } = layout(bound);
          const strides = folded.map(({ extent, strides: [, stride] }) => [extent, stride!] as const);
          const addresses = [bound.outputs[0]!.address, bound.inputs[0]!.address];
          return [...foldedArgs(strides, count), ...walkArgs(kept, unit, addresses)];
        },
      });
    },
  };
}

export const reduce: readonly WasmKernel[] = /* @__PURE__ */ isas.flatMap((isa) =>
  reductions().map((each) => row(each, isa)),
);
