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
import type { NativeKernel } from '../../kernel.ts';
import type { NativeCall } from '../../program.ts';
import { type Cost, programOf } from '../elements.ts';
import { epilogueSteps } from '../epilogue.ts';
import type { Size } from '../lanes.ts';
import { widths } from '../row.ts';
import { MOST_AXES } from '../walk.ts';
import { castOps } from './cast.ts';
import { emitPointwise, MOST_INPUTS, operandsOf, type Recipe, type Stored } from './emit.ts';
import { floatOps } from './float.ts';
import { integerOps } from './integer.ts';
import { logicOps } from './logic.ts';
import type { Pointwise } from './op.ts';

type Width = (typeof widths)[number];

const storedAs = ({ dtype }: TensorDesc): Stored => ({
  size: (dtypes[dtype].bits / 8) as Size,
  isSigned: dtypes[dtype].kind === 'int',
});

/** What to emit for a call, or why nothing can be. */
function recipeOf(op: Pointwise, call: Call, constants: Constants): Recipe | string {
  const emit = op.code(call, constants);
  if (typeof emit === 'string') return emit;
  const { inputs, outputs, attrs, epilogue } = call;
  const own = ownInputCount(call);
  const recipe: Recipe = {
    lane: op.lane,
    emit,
    folds: op.folds === true,
    attrs,
    inputs: inputs.slice(0, own).map((desc, i) => (desc && i < (op.reads ?? own) ? storedAs(desc) : undefined)),
    output: storedAs(outputs[0]!),
    steps: epilogue,
    stepInputs: [...new Set(epilogue.flatMap((step) => step.inputs))].filter((i) => inputs[i]),
    isScalar: op.isScalar,
  };
  const read = operandsOf(recipe);
  if (read.length > MOST_INPUTS) return `it reads ${read.length} tensors, more than ${MOST_INPUTS}`;
  if (outputs[0]!.shape.length > MOST_AXES) return `its rank is more than ${MOST_AXES}`;
  const other = recipe.stepInputs.find((i) => inputs[i]!.dtype !== 'float32');
  return other === undefined ? recipe : `input ${other} is ${inputs[other]!.dtype}; its epilogue takes float32`;
}

function work(op: Pointwise, isWide: boolean, call: Call, at: Binding, constants: Constants): Work | Rejection {
  const recipe = recipeOf(op, call, constants);
  if (typeof recipe === 'string') return { reason: recipe };
  const elements = sizeOf(bindShape(call.outputs[0]!.shape, at));
  const cost = (op.isScalar && !isWide ? SCALAR : op.cost[isWide ? 0 : 1]) + recipe.steps.length * STEP[isWide ? 0 : 1];
  return { macs: cost * elements, bytes: tensorBytes(call, at), resident: 0 };
}

/** What a step of an epilogue takes for an element, and what elements one by one take, in multiply-adds of the same width. */
const STEP: Cost = [4, 6];
const SCALAR = 40;

function row(op: Pointwise, { name, isWide, lanes, requires }: Width): NativeKernel {
  const fuses = (op.types['T2'] ?? op.types['T'])?.join() === 'float32' && !isTest(op);
  return {
    name: `${op.op.toLowerCase()}_${op.of}_dense_${(lanes * 4) / op.lane}__${name}`,
    op: op.op,
    requires,
    types: op.types,
    ...(fuses ? { fuses: epilogueSteps } : {}),
    work: (call, at, constants) => work(op, isWide, call, at, constants),
    prepare(call, constants, engine) {
      const recipe = recipeOf(op, call, constants) as Recipe;
      const scalar = !isWide && op.isScalar === true;
      return programOf(engine, isWide, [emitPointwise, { ...recipe, isScalar: scalar }], {
        units: (bound) => Math.ceil(total(bound) / unitOf(bound)),
        args: (bound) => argsOf(recipe, bound),
      });
    },
  };
}

const tests = new Set(['IsNaN', 'Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual']);
/** True for ops whose result is bool. */
const isTest = ({ op }: Pointwise): boolean => tests.has(op);

const total = ({ outputs: [y] }: NativeCall): number => sizeOf(y!.dims);
const unitOf = (call: NativeCall): number => unitElements(total(call), call.threads);

function argsOf(recipe: Recipe, bound: NativeCall): number[] {
  const { inputs, outputs } = bound;
  const operands = [outputs[0]!, ...operandsOf(recipe).map((i) => inputs[i]!)];
  const sizes = operands.map(({ dtype }) => dtypes[dtype].bits / 8);
  const axes = walk(outputs[0]!.dims, ...operands.map(({ dims }) => dims)).map(({ extent, strides }) => ({
    extent,
    strides: strides.map((stride, k) => stride * sizes[k]!),
  }));
  return walkArgs(
    axes,
    unitOf(bound),
    operands.map(({ address }) => address),
  );
}

export const pointwise: readonly NativeKernel[] = widths.flatMap((width) =>
  [...floatOps, ...integerOps, ...logicOps, ...castOps].map((op) => row(op, width)),
);
