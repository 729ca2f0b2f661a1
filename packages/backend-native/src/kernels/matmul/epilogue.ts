/** What is done to a product before it is stored: which steps there are, and their code. */

import {
  byteLength,
  type Call,
  type Constants,
  type DType,
  dim,
  type EpilogueOp,
  type EpilogueStep,
  type Rejection,
} from '@espalier/core';
import { geometry } from '@espalier/lowering';
import type { Address, Assembler, Vector } from '@espalier/x64';
import { Vectors } from '../../math/index.ts';
import type { NativeCall } from '../../program.ts';
import { ACTIVATION_TEMPORARIES, activations } from '../activations.ts';
import { type Division, divide, MODERATE } from '../division.ts';
import { emitLevel, type LevelType, levelRange, loadLevels, loadZeroPoint, roundToNearest } from '../levels.ts';
import { avx512, type Isa } from './isa.ts';

/** An input of the node that a step reads: one element for each column, or one for all columns of a row. */
export interface EpilogueOperand {
  readonly input: number;
  readonly dtype: DType;
  readonly perColumn: boolean;
  /** It is the same in all rows. */
  readonly isSingle: boolean;
  /** A constant that can be divided by as {@link divide} does. */
  readonly isDivisor: boolean;
  /** A constant zero point that changes nothing. */
  readonly isNothing: boolean;
}

export interface Epilogue {
  readonly steps: readonly EpilogueStep[];
  readonly operands: readonly EpilogueOperand[];
}

/**
 * Of each operand the address and the bytes from row to row, for argument blocks.
 * @param a the shape of the product's first operand
 * @throws EspalierError `SHAPE_MISMATCH`
 */
export function operandWords(
  { operands }: Epilogue,
  { inputs, outputs }: Pick<NativeCall, 'inputs' | 'outputs'>,
  a: readonly number[],
  weights: readonly [k: number, n: number],
): number[] {
  const given = operands.map(({ input }) => inputs[input]!);
  const dims = given.map((operand) => operand.dims);
  const { rowSteps } = geometry(a, weights, outputs[0]!.dims, dims);
  return given.flatMap(({ address, dtype }, i) => [address, byteLength(dtype, rowSteps[i]!)]);
}

/** A register for the address of each. */
export const MOST_OPERANDS = 10;

/**
 * The epilogue of a product, or why its own operands cannot be read.
 * @param weights the shape of its second operand, columns last
 */
export function epilogueOf(
  { epilogue, inputs }: Call,
  weights = inputs[1]!.shape,
  constants: Constants = [],
): Epilogue | Rejection {
  const operands: EpilogueOperand[] = [];
  const isVector = weights.length === 1;
  const n = isVector ? 1 : weights.at(-1)!;
  const levels = epilogue.filter(isLevels);
  for (const { op, attrs, inputs: own } of levels) {
    if (parametersOf(op, own).some((input) => inputs[input] && dim.equal(dim.product(inputs[input].shape), 1) !== true))
      return { reason: `its ${op} has more than one scale` };
    if (op === 'QuantizeLinear' && attrs['output_dtype'] && own[1] === undefined)
      return { reason: 'its QuantizeLinear has no zero point to tell its dtype' };
  }
  const bytes = new Set(
    levels.flatMap(({ op, inputs: own }) => (op === 'DequantizeAdd' ? [own[0], own[2]] : [own[1]])),
  );
  for (const input of new Set(epilogue.flatMap((step) => step.inputs))) {
    const desc = inputs[input];
    if (!desc) continue;
    const { dtype } = desc;
    const isByte = dtype === 'uint8' || dtype === 'int8';
    if (dtype !== 'float32' && !(isByte && bytes.has(input)))
      return { reason: `input ${input} is ${dtype}; its epilogue takes float32` };
    // Of a vector the result has no columns, so that its operands have none either.
    const last = isVector ? 1 : (desc.shape.at(-1) ?? 1);
    if (last !== 1 && dim.equal(last, n) !== true)
      return { reason: `cannot tell whether the ${last} columns of input ${input} are the ${n} of the result` };
    const value = Number(constants[input]?.tensor.data[0]);
    operands.push({
      ...{ input, dtype, perColumn: last !== 1, isSingle: desc.shape.slice(0, -1).every((d) => d === 1) },
      ...{ isDivisor: Math.abs(Math.log2(value)) < MODERATE, isNothing: isByte && value === 0 && last === 1 },
    });
  }
  if (operands.length > MOST_OPERANDS) return { reason: `its epilogue reads more than ${MOST_OPERANDS} tensors` };
  return { steps: epilogue, operands };
}

/** True for what rounds to a few levels, or comes back from them. */
const isLevels = ({ op }: EpilogueStep): boolean =>
  op === 'QuantizeLinear' || op === 'DequantizeLinear' || op === 'DequantizeAdd';

/** The step's scale and zero point. */
const parametersOf = (op: EpilogueOp, inputs: readonly number[]): readonly number[] =>
  op === 'DequantizeAdd' ? inputs.slice(1) : inputs;

/** The dtype of what QuantizeLinear as the last step makes. */
export function quantizedType({ steps, operands }: Epilogue): LevelType | undefined {
  const last = steps.at(-1);
  return last?.op === 'QuantizeLinear' ? levelType(operands, last) : undefined;
}

const levelType = (operands: readonly EpilogueOperand[], { op, inputs }: EpilogueStep): LevelType => {
  const of = op === 'DequantizeAdd' ? inputs[0] : inputs[1];
  return operands.find(({ input }) => input === of)?.dtype === 'int8' ? 'int8' : 'uint8';
};

const arithmetic = { Add: 'vaddps', Sub: 'vsubps', Mul: 'vmulps', Div: 'vdivps' } as const;

/** The steps that a product can do. */
export const fuses: readonly EpilogueOp[] = [
  ...(Object.keys(arithmetic) as (keyof typeof arithmetic)[]),
  'Clip',
  ...(Object.keys(activations) as EpilogueOp[]),
];

/** What stays in registers from row to row, by what it is of which operand. */
export type Held = ReadonlyMap<string, Vector>;

/** The key of what is held: a number or level in all lanes, its inverse, the ends of a range in its steps, or a vector's columns. */
const keyOf = (kind: 'all' | 'level' | 'inverse' | 'low' | 'high' | number, ...inputs: readonly number[]): string =>
  [kind, ...inputs].join();

/**
 * The zero point, as an integer in all lanes, of levels that {@link emitSteps} leaves unrounded and without it, as what packs them does the
 * rest at once: unsigned ones at the end. Undefined where it leaves none so.
 */
export function packedZeroPoint({ steps, operands }: Epilogue, held: Held): Vector | undefined {
  const last = steps.at(-1);
  if (last?.op !== 'QuantizeLinear' || levelType(operands, last) !== 'uint8') return undefined;
  return divisionBy(last, held) ? held.get(keyOf('level', last.inputs[1]!)) : undefined;
}

/** What a division by the step's scale needs, where all of it is held. */
function divisionBy({ inputs }: EpilogueStep, held: Held): Division | undefined {
  const [inverse, low, high] = [keyOf('inverse', inputs[0]!), keyOf('low', ...inputs), keyOf('high', ...inputs)].map(
    (key) => held.get(key),
  );
  return inverse && low && high ? { inverse, low, high } : undefined;
}

/** The operand for vector `v` of a first step that adds it, where it is held. */
export function addedFirst({ steps: [first] }: Epilogue, held: Held, v: number): Vector | undefined {
  if (first?.op !== 'Add') return undefined;
  return held.get(keyOf('all', first.inputs[0]!)) ?? held.get(keyOf(v, first.inputs[0]!));
}

/**
 * Loads what all rows share into as many of the `free` registers as it takes; what finds no place is loaded in each row. Changes the
 * register of the first temporary. Parameters are as those of {@link emitSteps}.
 */
export function holdOperands(
  a: Assembler,
  isa: Isa,
  { steps, operands }: Epilogue,
  addresses: readonly Address[],
  vectors: number,
  masked: boolean,
  free: readonly Vector[],
): Held {
  const math = new Vectors(a, isa === avx512);
  const held = new Map<string, Vector>();
  const find = (input: number | undefined): number => operands.findIndex((operand) => operand.input === input);
  const hold = (key: string, load: (to: Vector) => void): void => {
    const to = free[held.size];
    if (to === undefined || held.has(key)) return;
    load(to);
    held.set(key, to);
  };
  for (const step of steps) {
    const parameters = isLevels(step) ? parametersOf(step.op, step.inputs) : [];
    const [scale, zero] = parameters;
    for (const input of step.inputs) {
      const at = find(input);
      if (at < 0) continue;
      const { perColumn, isSingle, dtype } = operands[at]!;
      if (!isSingle) continue;
      if (input === zero)
        hold(keyOf('all', input), (to) => loadZeroPoint(math, to, addresses[at]!, dtype as LevelType));
      else if (dtype !== 'float32') continue;
      else if (!perColumn) hold(keyOf('all', input), (to) => a.vbroadcastss(to, addresses[at]!));
      else
        for (let v = 0; v < vectors; v++)
          hold(keyOf(v, input), (to) =>
            isa.load(a, to, addresses[at]!, 4 * v * isa.lanes, masked && v === vectors - 1),
          );
    }
    if (step.op !== 'QuantizeLinear' || !operands[find(scale)]!.isDivisor) continue;
    const [divisor, level] = [
      held.get(keyOf('all', scale!)),
      zero === undefined ? undefined : held.get(keyOf('all', zero)),
    ];
    // All that a division needs, or nothing.
    if (!divisor || (zero !== undefined && find(zero) >= 0 && !level) || free.length - held.size < 3) continue;
    hold(keyOf('inverse', scale!), (to) => {
      math.fill(to, 1);
      a.vdivps(to, to, divisor);
    });
    const range = levelRange(levelType(operands, step));
    for (const [i, kind] of (['low', 'high'] as const).entries())
      hold(keyOf(kind, ...parameters), (to) => {
        math.fill(to, range[i]!);
        if (level) a.vsubps(to, to, level);
        a.vmulps(to, to, divisor);
      });
    if (step === steps.at(-1) && zero !== undefined && level)
      hold(keyOf('level', zero), (to) => a.vcvtps2dq(to, level));
  }
  return held;
}

/**
 * Does the steps to registers 0 to `vectors` - 1, which hold neighbouring columns. `addresses` are those of the operands for
 * the first of them; `masked` has the last register's operands loaded by the mask.
 * @param held what {@link holdOperands} loaded
 */
export function emitSteps(
  a: Assembler,
  isa: Isa,
  { steps, operands }: Epilogue,
  addresses: readonly Address[],
  vectors: number,
  masked: boolean,
  held: Held = new Map(),
): void {
  const math = new Vectors(a, isa === avx512);
  const t = Array.from({ length: ACTIVATION_TEMPORARIES }, (_, i) => isa.register(vectors + i));
  const [other] = t as [Vector];
  for (let v = 0; v < vectors; v++) {
    const x = isa.register(v);
    const isLast = masked && v === vectors - 1;
    /** A step's operand for the columns of `x`; undefined where it was left out. */
    const load = (input: number | undefined): Vector | undefined => {
      const at = operands.findIndex((operand) => operand.input === input);
      if (at < 0) return undefined;
      const known = held.get(keyOf('all', input!)) ?? held.get(keyOf(v, input!));
      if (known !== undefined) return known;
      if (operands[at]!.perColumn) isa.load(a, other, addresses[at]!, v * isa.lanes * 4, isLast);
      else a.vbroadcastss(other, addresses[at]!);
      return other;
    };
    /** Levels that the next step would take back go on without their zero point. */
    let isCentred = false;
    for (const [i, step] of steps.entries()) {
      const { op, attrs, inputs, position } = step;
      if (isLevels(step)) {
        const [scale, zeroPoint] = parametersOf(op, inputs);
        const dtype = levelType(operands, step);
        const zero = operands.findIndex(({ input }) => input === zeroPoint);
        const known = zero < 0 ? undefined : held.get(keyOf('all', zeroPoint!));
        const offset = zero < 0 || operands[zero]!.isNothing ? undefined : (known ?? t[1]!);
        if (offset !== undefined && known === undefined) loadZeroPoint(math, offset, addresses[zero]!, dtype);
        const factor = load(scale)!;
        if (op === 'QuantizeLinear') {
          const division = divisionBy(step, held);
          if (!division) {
            a.vdivps(x, x, factor);
            emitLevel(math, x, offset, dtype);
            continue;
          }
          const isPacked = i === steps.length - 1 && packedZeroPoint({ steps, operands }, held) !== undefined;
          divide(a, x, factor, division, isPacked, t[2]!);
          if (isPacked) continue;
          roundToNearest(math, x);
          const next = steps[i + 1];
          isCentred = next?.op === 'DequantizeLinear' && next.inputs[1] === zeroPoint;
          if (offset !== undefined && !isCentred) a.vaddps(x, x, offset);
          continue;
        }
        const levels = op === 'DequantizeAdd' ? t[2]! : x;
        if (op === 'DequantizeAdd') {
          const at = operands.findIndex(({ input }) => input === inputs[0]);
          if (operands[at]!.perColumn) loadLevels(math, levels, addresses[at]!, v * isa.lanes, dtype, isLast);
          else loadZeroPoint(math, levels, addresses[at]!, dtype);
        }
        if (offset !== undefined && !isCentred) a.vsubps(levels, levels, offset);
        isCentred = false;
        if (op === 'DequantizeAdd') a.vfmadd231ps(x, levels, factor);
        else a.vmulps(levels, levels, factor);
      } else if (op in arithmetic) {
        const operand = load(inputs[0])!;
        const [left, right] = position === 0 ? [x, operand] : [operand, x];
        a[arithmetic[op as keyof typeof arithmetic]](x, left, right);
      } else if (op === 'Clip') {
        // The processor's minimum and maximum give their second operand where one is NaN.
        const low = load(inputs[0]);
        if (low !== undefined) a.vmaxps(x, low, x);
        const high = load(inputs[1]);
        if (high !== undefined) a.vminps(x, high, x);
      } else {
        activations[op]!(math, x, t, attrs);
      }
    }
  }
}
