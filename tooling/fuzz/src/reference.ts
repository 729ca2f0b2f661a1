/**
 * What a graph's outputs are, node by node on the scalar backend, and how far from them another backend's may be.
 *
 * A node may be off by what the conformance suite allows its op for the operands that it was given; inputs and weights by a rounding.
 * How far that carries is found by computing the graph again with all these errors at once, their signs random (Monte Carlo
 * arithmetic: Parker, "Monte Carlo Arithmetic", 1997), in pairs of opposite signs: where a result jumps, as between two
 * levels, one of a pair jumps.
 */

import { createJsBackend } from '@espalier/backend-js';
import { decode, opCases, tolerance } from '@espalier/conformance';
import { createEvaluator, dtypes, type Graph, type Node, onnxOps, opKey, type Tensor } from '@espalier/core';
import { randomNumbers } from './choices.ts';

export interface Expected {
  readonly tensor: Tensor;
  /** By element; undefined where every element must be equal. */
  readonly slack: tolerance.Slack;
}

export type Precision = 'float32' | 'bfloat16';

/** Pairs of computations with errors. */
const PAIRS = 4;
/** How many times its error a value is moved: errors of many values may by chance cancel in all pairs. */
const AMPLIFIED = 8;
/** The share of the largest difference in a tensor that every element may have, for the same reason. */
const FLOOR = 1 / 8;
/** Rounding of inputs and weights: of float32, and of products' operands where they may be bfloat16. */
const ROUNDING = 2 ** -23;
const NARROW_ROUNDING = 2 * 2 ** -9;
const products = new Set(['MatMul', 'Gemm', 'Conv']);
/** Ops that give a place out of many, or a whole number: where errors decide between them, the pairs do not show all that may come of it. */
const selections = new Set(['ArgMax', 'ArgMin', 'TopK', 'Cast']);

const evaluate = createEvaluator(createJsBackend(), onnxOps);
const tolerances = new Map(opCases.map(({ domain = '', op, tolerance }) => [opKey(domain, op), tolerance]));

/** A value without errors, and with those of each computation. */
type Ensemble = readonly Tensor[];

/**
 * Undefined where errors decide which place an element has, or which whole number it is.
 * @param feeds by the names of inputs
 * @throws EspalierError where the scalar backend cannot compute the graph
 */
export async function expectedOf(
  { constants, nodes, outputs }: Graph,
  feeds: ReadonlyMap<string, Tensor>,
  precision: Precision,
  seed: number,
): Promise<Map<string, Expected> | undefined> {
  const random = randomNumbers(seed);
  const values = new Map<string, Ensemble>();
  for (const [name, tensor] of [...constants, ...feeds]) {
    // What one number says is part of the op: an exponent, a limit, a scale.
    const slack = tensor.size > 1 ? roundingOf(tensor, ROUNDING) : undefined;
    values.set(
      name,
      disturb(
        Array.from({ length: 1 + 2 * PAIRS }, () => tensor),
        slack,
        random,
      ),
    );
  }
  for (const node of nodes) {
    const results = await ensembleOf(
      node,
      node.inputs.map((name) => values.get(name)),
      precision,
      random,
    );
    if (selections.has(node.op) && isWhole(results.at(-1)!) && !isDecided(results.at(-1)!)) return undefined;
    for (const [i, name] of node.outputs.entries()) values.set(name, results[i]!);
  }
  return new Map(outputs.map((name) => [name, boundOf(values.get(name)!)]));
}

async function ensembleOf(
  node: Node,
  operands: readonly (Ensemble | undefined)[],
  precision: Precision,
  random: () => number,
): Promise<Ensemble[]> {
  const isNarrow = precision === 'bfloat16' && products.has(node.op);
  const rounded = operands.map((each, i) =>
    each && isNarrow && i < 2 ? disturb(each, roundingOf(each[0]!, NARROW_ROUNDING), random) : each,
  );
  const runs: (readonly Tensor[])[] = [];
  for (let i = 0; i <= 2 * PAIRS; i++) {
    const inputs = rounded.map((each) => each?.[i]);
    // Where operands have no errors results have none but their own.
    const same = i > 0 && rounded.every((each) => each?.[i] === each?.[0]);
    runs.push(same ? runs[0]! : await evaluate(node, inputs));
  }
  const allowed = tolerances.get(opKey(node.domain, node.op));
  if (!allowed) throw new TypeError(`the conformance suite has no tolerance for ${node.op}`);
  const inputs = rounded.map((each) => each?.[0]);
  const slacks = await allowed({ node, inputs, outputs: runs[0]!, evaluate });
  return runs[0]!.map((_, output) =>
    disturb(
      runs.map((tensors) => tensors[output]!),
      slacks[output],
      random,
    ),
  );
}

const isWhole = ([tensor]: Ensemble): boolean => dtypes[tensor!.type].kind !== 'float';

/** True where all computations give the same. */
const isDecided = ([places, ...others]: Ensemble): boolean =>
  tolerance.distance(places!, others)?.every((each) => each === 0) ?? true;

/** A share of each element's magnitude. */
function roundingOf(tensor: Tensor, share: number): tolerance.Slack {
  if (dtypes[tensor.type].kind !== 'float') return undefined;
  return Float64Array.from(decode(tensor) as ArrayLike<number>, (x) => share * Math.abs(x));
}

/** Adds `slack`, amplified, with a sign of its own for each element and pair. */
function disturb(ensemble: Ensemble, slack: tolerance.Slack, random: () => number): Ensemble {
  if (!slack?.some((each) => each > 0)) return ensemble;
  // Integers change by whole levels.
  const by = dtypes[ensemble[0]!.type].kind === 'float' ? AMPLIFIED : 1;
  const signs = Array.from({ length: PAIRS }, () => slack.map((each) => (random() < 0.5 ? by : -by) * each));
  return ensemble.map((tensor, i) =>
    i === 0 ? tensor : tolerance.moved(tensor, signs[(i - 1) >> 1]!, i % 2 ? 1 : -1),
  );
}

function boundOf([tensor, ...others]: Ensemble): Expected {
  const slack = tolerance.distance(tensor!, others);
  if (!slack || dtypes[tensor!.type].kind !== 'float') return { tensor: tensor!, slack };
  const floor = FLOOR * slack.reduce((a, b) => Math.max(a, b), 0);
  return { tensor: tensor!, slack: slack.map((each) => each + floor) };
}
