/** Recurrent layers: which gates they have, what a call makes of them, and where sequences and states lie. */

import type { Attributes, Call, Constants, EpilogueOp, Rejection } from '@espalier/core';

export interface Activation {
  readonly op: EpilogueOp;
  readonly attrs: Attributes;
}

/** Activations by their names in lower case, as ops, and what they take, for which the ops have the same defaults. */
const known: Readonly<Record<string, { op: EpilogueOp; takes: readonly ('alpha' | 'beta')[] }>> = {
  relu: { op: 'Relu', takes: [] },
  tanh: { op: 'Tanh', takes: [] },
  sigmoid: { op: 'Sigmoid', takes: [] },
  leakyrelu: { op: 'LeakyRelu', takes: ['alpha'] },
  hardsigmoid: { op: 'HardSigmoid', takes: ['alpha', 'beta'] },
};

/** Products of a step that need nothing of each other: gates that are multiplied by the same vector. */
export interface RecurrentPass {
  readonly gates: readonly number[];
  readonly by: 'h' | 'reset';
}

export interface RecurrentLayer {
  readonly gates: number;
  readonly activations: readonly string[];
  passes(attrs: Attributes): readonly RecurrentPass[];
}

export const recurrentLayers: Readonly<Record<string, RecurrentLayer>> = {
  RNN: { gates: 1, activations: ['tanh'], passes: () => [{ gates: [0], by: 'h' }] },
  GRU: {
    gates: 3,
    activations: ['sigmoid', 'tanh'],
    passes: ({ linear_before_reset: isLinearFirst }) =>
      isLinearFirst
        ? [{ gates: [0, 1, 2], by: 'h' }]
        : [
            { gates: [0, 1], by: 'h' },
            { gates: [2], by: 'reset' },
          ],
  },
  LSTM: { gates: 4, activations: ['sigmoid', 'tanh', 'tanh'], passes: () => [{ gates: [0, 1, 2, 3], by: 'h' }] },
};

/** The activations of each direction, or the name of one that there is no code for. */
function activationsOf(attrs: Attributes, { activations: defaults }: RecurrentLayer, directions: number) {
  const named = attrs['activations'] as readonly string[] | undefined;
  const all = named ?? Array.from({ length: directions }, () => defaults).flat();
  const list = (name: string): number[] => [...((attrs[name] as readonly number[] | undefined) ?? [])];
  // The lists hold values only for those that take them, in order.
  const given = { alpha: list('activation_alpha'), beta: list('activation_beta') };
  if (all.length !== defaults.length * directions) return `${all.length} activations`;
  const made: Activation[] = [];
  for (const name of all) {
    const key = name.toLowerCase();
    if (!Object.hasOwn(known, key)) return name;
    const { op, takes } = known[key]!;
    const values = takes.map((what) => [what, given[what].shift()] as const);
    made.push({ op, attrs: Object.fromEntries(values.filter(([, value]) => value !== undefined)) as Attributes });
  }
  return Array.from({ length: directions }, (_, d) => made.slice(d * defaults.length, (d + 1) * defaults.length));
}

/** What code depends on, for vectors of so many lanes. */
export interface Recurrent {
  readonly op: string;
  readonly attrs: Attributes;
  readonly directions: number;
  readonly hidden: number;
  readonly lanes: number;
  readonly gates: number;
  readonly passes: readonly RecurrentPass[];
  readonly activations: readonly (readonly Activation[])[];
  /** Which of the optional operands there are. */
  readonly has: Readonly<Record<'lengths' | 'h' | 'c' | 'peepholes' | 'y' | 'lastH' | 'lastC', boolean>>;
}

/** What is emitted for a call, or why it cannot be. */
export function recurrentOf(call: Call, constants: Constants, lanes: number): Recurrent | Rejection {
  const { op, inputs, outputs, attrs } = call;
  const layer = recurrentLayers[op]!;
  for (const [i, what] of [
    [1, 'W'],
    [2, 'R'],
    [3, 'B'],
    [7, 'P'],
  ] as const)
    if (inputs[i] && !constants[i]) return { reason: `its ${what} is not constant` };
  const [directions, , hidden] = constants[2]!.tensor.dims as [number, number, number];
  if (hidden === 0) return { reason: 'it has no state' };
  const activations = activationsOf(attrs, layer, directions);
  if (typeof activations === 'string') return { reason: `it has no code for the activation ${activations}` };
  const [y, lastH, lastC] = [0, 1, 2].map((i) => outputs[i] !== undefined) as [boolean, boolean, boolean];
  const [lengths, h, c, peepholes] = [4, 5, 6, 7].map((i) => inputs[i] !== undefined) as [
    boolean,
    boolean,
    boolean,
    boolean,
  ];
  return {
    ...{ op, attrs, directions, hidden, lanes, gates: layer.gates },
    passes: layer.passes(attrs),
    activations: activations as readonly (readonly Activation[])[],
    has: { lengths, h, c, peepholes, y, lastH, lastC },
  };
}

/** The product of all inputs with the weights of all directions; its third operand is what is added to each column. */
export function recurrentProduct(x: readonly (number | string)[], columns: number): Call {
  const desc = (...shape: (number | string)[]) => ({ dtype: 'float32', shape }) as const;
  return {
    ...{ node: 'input', op: 'MatMul', domain: '', attrs: {} },
    inputs: [desc(...x), desc(x.at(-1)!, columns), desc(columns)],
    outputs: [desc(...x.slice(0, -1), columns)],
    epilogue: [{ op: 'Add', attrs: {}, inputs: [2], position: 0 }],
  };
}

type Sized = { readonly dims: readonly number[] } | undefined;

/** Steps of the longest sequence, and how many sequences there are. */
export function recurrentSizes({ attrs }: Recurrent, x: Sized): [steps: number, batch: number] {
  const [first, second] = x!.dims as [number, number];
  return attrs['layout'] ? [second, first] : [first, second];
}

/** How far apart gates, results and states are, from a direction, a sequence and a step to the next, in bytes of float32. */
export function recurrentStrides(shape: Recurrent, x: Sized) {
  const { attrs, directions, gates, hidden } = shape;
  const [steps, batch] = recurrentSizes(shape, x);
  const [columns, row] = [4 * directions * gates * hidden, 4 * hidden];
  const isBatchFirst = attrs['layout'] === 1;
  return {
    ...{ gatesSequence: columns * (isBatchFirst ? steps : 1), gatesStep: columns * (isBatchFirst ? 1 : batch) },
    yDirection: row * (isBatchFirst ? 1 : batch),
    ySequence: row * (isBatchFirst ? steps * directions : 1),
    yStep: row * directions * (isBatchFirst ? 1 : batch),
    stateDirection: row * (isBatchFirst ? 1 : batch),
    stateSequence: row * (isBatchFirst ? directions : 1),
  };
}
