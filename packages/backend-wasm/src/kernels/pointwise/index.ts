/** Element by element ops, alone or with an epilogue, over operands that broadcast together. */

import {
  type Binding,
  bindShape,
  type Call,
  type Constants,
  dtypes,
  ownInputCount,
  type Rejection,
  sizeOf,
  type TensorDesc,
  type Work,
} from '@espalier/core';
import { tensorBytes, unitElements, walk, walkArgs } from '@espalier/lowering';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmCall } from '../../program.ts';
import { elementLaw, programOf } from '../elements.ts';
import { epilogueSteps, plainSteps } from '../epilogue.ts';
import type { Size, Stored } from '../lanes.ts';
import { castOps } from './cast.ts';
import { emitPointwise, operandsOf, type Recipe, scratchBytes } from './emit.ts';
import { floatOps } from './float.ts';
import { integerOps } from './integer.ts';
import { levelOps } from './levels.ts';
import { logicOps } from './logic.ts';
import type { Pointwise, Variant } from './op.ts';

const storedAs = ({ dtype }: TensorDesc): Stored => ({
  size: (dtypes[dtype].bits / 8) as Size,
  isSigned: dtypes[dtype].kind === 'int',
});

/** What to emit for a call, or why nothing can be. */
function recipeOf(
  op: Pointwise,
  isa: Isa,
  call: Call,
  constants: Constants,
): { readonly recipe: Recipe; readonly variant: Variant } | string {
  const variant = op.code(call, constants);
  if (typeof variant === 'string') return variant;
  const { inputs, outputs, attrs, epilogue } = call;
  const own = ownInputCount(call);
  const recipe: Recipe = {
    label: variant.label,
    isRelaxed: isa.isRelaxed,
    lane: op.lane,
    folds: op.folds === true,
    attrs,
    inputs: inputs.slice(0, own).map((desc, i) => (desc && i < (op.reads ?? own) ? storedAs(desc) : null)),
    output: storedAs(outputs[0]!),
    steps: plainSteps(epilogue),
    stepInputs: [...new Set(epilogue.flatMap((step) => step.inputs))].filter((i) => inputs[i]),
    isScalar: op.isScalar === true,
  };
  const other = recipe.stepInputs.find((i) => inputs[i]!.dtype !== 'float32');
  return other === undefined
    ? { recipe, variant }
    : `input ${other} is ${inputs[other]!.dtype}; its epilogue takes float32`;
}

/** What a step of an epilogue takes for an element, in multiply-adds. */
const STEP = 6;

function work(op: Pointwise, isa: Isa, call: Call, at: Binding, constants: Constants): Work | Rejection {
  const made = recipeOf(op, isa, call, constants);
  if (typeof made === 'string') return { reason: made };
  const cost = op.cost + made.recipe.steps.length * STEP;
  return {
    macs: ((cost * op.lane) / 4) * sizeOf(bindShape(call.outputs[0]!.shape, at)),
    bytes: tensorBytes(call, at),
    resident: 0,
  };
}

const total = ({ outputs: [y] }: WasmCall): number => sizeOf(y!.dims);
const unitOf = (call: WasmCall): number => unitElements(total(call), call.threads);

export function pointwiseRow(op: Pointwise, isa: Isa): WasmKernel {
  const fuses = (op.types['T2'] ?? op.types['T'])?.join() === 'float32' && !op.isTest;
  const name = `${op.op.toLowerCase()}_${op.of}_dense_${op.isScalar ? 1 : 16 / op.lane}__${isa.name}`;
  return {
    name,
    op: op.op,
    requires: isa.requires,
    types: op.types,
    ...(fuses ? { fuses: epilogueSteps } : {}),
    work: (call, at, constants) => work(op, isa, call, at, constants),
    law: elementLaw,
    prepare(call, constants, engine) {
      const { recipe, variant } = recipeOf(op, isa, call, constants) as Exclude<ReturnType<typeof recipeOf>, string>;
      const room = scratchBytes(recipe);
      return programOf(
        engine,
        name,
        recipe,
        () => emitPointwise(variant.code, recipe),
        {
          units: (bound) => Math.ceil(total(bound) / unitOf(bound)),
          args: (bound) => [bound.scratch, ...argsOf(recipe, bound, op, call)],
        },
        { scratch: ({ threads }) => threads * room },
      );
    },
  };
}

function argsOf(recipe: Recipe, bound: WasmCall, op: Pointwise, call: Call): number[] {
  const { inputs, outputs } = bound;
  const own = recipe.inputs.filter(Boolean).length;
  const shapeOf = (dims: readonly number[], i: number): readonly number[] =>
    i > 1 && i <= own && op.dims ? op.dims(call, outputs[0]!.dims, dims) : dims;
  const operands = [outputs[0]!, ...operandsOf(recipe).map((i) => inputs[i]!)];
  const sizes = operands.map(({ dtype }) => dtypes[dtype].bits / 8);
  const axes = walk(outputs[0]!.dims, ...operands.map(({ dims }, i) => shapeOf(dims, i))).map(
    ({ extent, strides }) => ({
      extent,
      strides: strides.map((stride, k) => stride * sizes[k]!),
    }),
  );
  return walkArgs(
    axes,
    unitOf(bound),
    operands.map(({ address }) => address),
  );
}

export const pointwise: readonly WasmKernel[] = /* @__PURE__ */ isas.flatMap((isa) =>
  [...floatOps(), ...integerOps(), ...logicOps(), ...castOps(), ...levelOps()].map((op) => pointwiseRow(op, isa)),
);
