/** One way to write what can be written in several: removes what does nothing, merges moves of elements. */

import { dim, dtypes, type Node, type Shape } from '@espalier/core';
import { Editor, isPlain, makeNode, sameShape } from '../rewrite/editor.ts';
import { permOf } from '../rewrite/match.ts';
import { Movement, type Step } from '../rewrite/movement.ts';
import { tensorOf } from '../rewrite/values.ts';
import type { Pass } from './pass.ts';

export const canonicalForms: Pass = {
  name: 'canonical-forms',
  summary: 'removes what does nothing, merges reshapes and transposes, writes Gemm as MatMul and Add',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) if (isPlain(node, node.op)) rewrite(editor, node);
    return editor.finish();
  },
};

function rewrite(editor: Editor, node: Node): void {
  const result = resultOf(editor, node);
  if (result !== undefined) editor.bypass(node, node.inputs[result]!);
  else if (moves.has(node.op)) mergeMoves(editor, node);
  else if (broadcasting.has(node.op)) skipExpands(editor, node);
  if (editor.has(node)) rules[node.op]?.(editor, node);
}

/** Which input the node's only result is, bit by bit. */
function resultOf(editor: Editor, node: Node): number | undefined {
  if (node.outputs.slice(1).some((name) => name !== '')) return undefined;
  const index = trivial[node.op]?.(node, editor);
  if (index === undefined) return undefined;
  const [from, to] = [editor.facts(node.outputs[0]!)!, editor.facts(node.inputs[index]!)!];
  if (from.dtype !== to.dtype) return undefined;
  return sameShape(from.shape, to.shape) || isWholeSlice(editor, node) ? index : undefined;
}

/** By op: the input that the result is if its type and shape are the result's. */
const trivial: Readonly<Record<string, (node: Node, editor: Editor) => number | undefined>> = {
  Identity: () => 0,
  Cast: () => 0,
  CastLike: () => 0,
  Expand: () => 0,
  Tile: () => 0,
  Reshape: () => 0,
  Flatten: () => 0,
  Squeeze: () => 0,
  Unsqueeze: () => 0,
  Dropout: (node, editor) => (!node.inputs[2] || editor.scalar(node.inputs[2]) === 0 ? 0 : undefined),
  Transpose: (node, editor) => (permOf(editor, node)!.every((axis, i) => axis === i) ? 0 : undefined),
  Concat: ({ inputs }) => (inputs.length === 1 ? 0 : undefined),
  Sum: ({ inputs }) => (inputs.length === 1 ? 0 : undefined),
  Mean: ({ inputs }) => (inputs.length === 1 ? 0 : undefined),
  Max: ({ inputs }) => (inputs.length === 1 ? 0 : undefined),
  Min: ({ inputs }) => (inputs.length === 1 ? 0 : undefined),
  Clip: ({ inputs }) => (!inputs[1] && !inputs[2] ? 0 : undefined),
  Slice: (node, editor) => (hasUnitSteps(editor, node) ? 0 : undefined),
  Pad: (node, editor) => (editor.scalar(node.inputs[1]) === 0 ? 0 : undefined),
  // Adding +0 turns -0 into +0; adding -0 never changes anything.
  Add: (node, editor) => neutral(editor, node, (x) => Object.is(x, isFloat(editor, node) ? -0 : 0), true),
  Sub: (node, editor) => neutral(editor, node, (x) => Object.is(x, 0)),
  Mul: (node, editor) => neutral(editor, node, (x) => x === 1, true),
  Div: (node, editor) => neutral(editor, node, (x) => x === 1),
  Pow: (node, editor) => neutral(editor, node, (x) => x === 1),
  And: (node, editor) => neutral(editor, node, (x) => x === 1, true),
  Or: (node, editor) => neutral(editor, node, (x) => x === 0, true),
  Where: ({ inputs }, editor) => {
    const condition = editor.scalar(inputs[0]);
    return condition === undefined ? undefined : condition ? 1 : 2;
  },
};

function isFloat(editor: Editor, node: Node): boolean {
  return dtypes[editor.dtype(node.inputs[0]!)].kind === 'float';
}

function neutral(
  editor: Editor,
  { inputs }: Node,
  isNeutral: (value: number) => boolean,
  commutes = false,
): number | undefined {
  const [a, b] = inputs.map((name) => editor.scalar(name));
  if (b !== undefined && isNeutral(b)) return 0;
  return commutes && a !== undefined && isNeutral(a) ? 1 : undefined;
}

function hasUnitSteps(editor: Editor, { inputs }: Node): boolean {
  return !inputs[4] || editor.scalar(inputs[4]) === 1;
}

/** Exporters that do not know a size write a number no size comes near. */
const FAR = 1e9;

function isWholeSlice(editor: Editor, node: Node): boolean {
  if (node.op !== 'Slice') return false;
  const [starts, ends] = [1, 2].map((i) => editor.facts(node.inputs[i]!)?.contents);
  const shape = editor.shape(node.inputs[0]!);
  const axes = node.inputs[3] ? editor.facts(node.inputs[3])?.contents : starts?.map((_, i) => i);
  if (!starts || !ends || !axes) return false;
  return axes.every((axis, i) => {
    const extent = shape.at(axis as number)!;
    const end = ends[i]!;
    return starts[i] === 0 && (typeof end === 'number' && end >= FAR ? true : dim.equal(end, extent) === true);
  });
}

/** Ops that only give the same elements another shape or order. */
const moves = new Set(['Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Transpose']);
const LONGEST_CHAIN = 8;

/** Replaces the last of a chain of moves by what the whole chain does, where that is less. */
function mergeMoves(editor: Editor, node: Node): void {
  const chain = [node];
  while (chain.length < LONGEST_CHAIN) {
    const before = editor.madeBy(chain[0]!.inputs[0], ...moves);
    if (!before) break;
    chain.unshift(before);
  }
  for (; chain.length > 0; chain.shift()) {
    const steps = stepsOf(editor, chain);
    if (steps && cost(steps.map((step) => 'perm' in step)) < cost(chain.map(({ op }) => op === 'Transpose'))) {
      if (writeSteps(editor, chain[0]!.inputs[0]!, node, steps)) return;
    }
  }
}

/** A transpose outweighs any number of views. */
function cost(transposes: readonly boolean[]): number {
  return transposes.reduce((sum, moved) => sum + (moved ? 100 : 1), 0);
}

function stepsOf(editor: Editor, chain: readonly Node[]): Step[] | undefined {
  const movement = new Movement(editor.shape(chain[0]!.inputs[0]!));
  for (const node of chain) {
    if (node.op === 'Transpose') movement.transpose(permOf(editor, node)!);
    else if (!movement.reshape(editor.shape(node.outputs[0]!))) return undefined;
  }
  return movement.steps(editor.shape(chain.at(-1)!.outputs[0]!));
}

function writeSteps(editor: Editor, from: string, node: Node, steps: readonly Step[]): boolean {
  if (!steps.every((step) => 'perm' in step || editor.isGlobal(step.shape))) return false;
  if (steps.length === 0) return editor.bypass(node, from);
  let running = from;
  const nodes = steps.map((step, i): Node => {
    const isLast = i === steps.length - 1;
    const input = running;
    running = isLast ? node.outputs[0]! : editor.fresh(`${node.outputs[0]}/moved`);
    const name = isLast ? node.name : editor.fresh(`${node.name}/moved`);
    const what = 'perm' in step ? { op: 'Transpose', attrs: step } : { op: 'Reshape', attrs: step };
    return makeNode({ name, inputs: [input], outputs: [running], ...what });
  });
  return editor.replace([node], nodes);
}

/** Element-wise ops that broadcast by themselves. */
const broadcasting = new Set([
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Max', 'Min', 'Mean', 'Sum', 'Where', 'PRelu', 'Mod'],
  ...['And', 'Or', 'Xor', 'Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'],
]);

/** An operand need not be expanded where the others have the result's shape. */
function skipExpands(editor: Editor, node: Node): void {
  for (const [i, input] of node.inputs.entries()) {
    const expand = editor.madeBy(input, 'Expand');
    if (!expand) continue;
    const by = { ...node, inputs: node.inputs.with(i, expand.inputs[0]!) };
    if (editor.replace([node], [by])) return;
  }
}

/** By op: other ways to write it. */
const rules: Readonly<Record<string, (editor: Editor, node: Node) => void>> = {
  Sum: (editor, node) => {
    if (node.inputs.length === 2) editor.replace([node], [{ ...node, op: 'Add' }]);
  },
  Pow: (editor, node) => {
    const [x, exponent] = node.inputs;
    if (editor.scalar(exponent) === 2) editor.replace([node], [{ ...node, op: 'Mul', inputs: [x!, x!] }]);
  },
  Div: multiplyInstead,
  Gemm: writeAsMatMul,
  Softmax: sinkView,
  LogSoftmax: sinkView,
};

/** Division by a power of two is a multiplication, which is cheaper and rounds alike. */
function multiplyInstead(editor: Editor, node: Node): void {
  const [x, y] = node.inputs as [string, string];
  const divisor = editor.scalar(y);
  const exponent = divisor === undefined ? Number.NaN : Math.log2(Math.abs(divisor));
  // Far from 1 the inverse would be subnormal, or infinite.
  if (editor.dtype(x) !== 'float32' || !Number.isInteger(exponent) || Math.abs(exponent) > 100) return;
  const inverse = editor.addConstant(`${y}/inverse`, tensorOf('float32', [], [1 / divisor!]));
  editor.replace([node], [{ ...node, op: 'Mul', inputs: [x, inverse] }]);
}

/** What is done row by row does not mind how rows are stacked: the view before it comes after. */
function sinkView(editor: Editor, node: Node): void {
  const view = editor.madeBy(node.inputs[0], 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze');
  if (!view || editor.onlyReader(view.outputs[0]!) !== node) return;
  const [from, to] = [view.inputs[0]!, view.outputs[0]!].map((name) => editor.shape(name)) as [Shape, Shape];
  const axis = (node.attrs['axis'] as number | undefined) ?? -1;
  const isLast = axis === -1 || axis === to.length - 1;
  if (!isLast || from.length === 0 || to.length === 0 || dim.equal(from.at(-1)!, to.at(-1)!) !== true) return;
  const rows = editor.fresh(`${node.outputs[0]}/rows`);
  editor.replace(
    [view, node],
    [
      { ...node, inputs: [view.inputs[0]!], outputs: [rows], attrs: { axis: -1 } },
      { ...view, inputs: [rows, ...view.inputs.slice(1)], outputs: node.outputs },
    ],
  );
}

/** Gemm with a constant weight: MatMul, which leaves what comes after it to the epilogue. */
function writeAsMatMul(editor: Editor, node: Node): void {
  const [a, b, c] = node.inputs;
  const { alpha = 1, beta = 1, transA = 0, transB = 0 } = node.attrs as Record<string, number>;
  const isKnown = editor.constant(b) !== undefined;
  // Without evaluation the weight would be transposed in every run.
  if (transA !== 0 || !isMadeOfConstants(editor, b!) || !editor.context.evaluate) return;
  // Factors that the dtype would round belong to the product.
  const isExact = ['float32', 'float64'].includes(editor.dtype(a!));
  if ((alpha !== 1 && !isKnown) || (!(alpha === 1 && beta === 1) && !isExact)) return;
  const nodes: Node[] = [];
  const add = (hint: string, op: string, inputs: readonly string[], last: boolean, attrs = {}): string => {
    const output = last ? node.outputs[0]! : editor.fresh(`${node.outputs[0]}/${hint}`);
    const name = last ? node.name : editor.fresh(`${node.name}/${hint}`);
    nodes.push(makeNode({ name, op, inputs, outputs: [output], attrs }));
    return output;
  };
  const number = (value: number): string =>
    editor.addConstant(`${node.name}/factor`, tensorOf(editor.dtype(a!), [], [value]));
  let weight = transB ? add('transposed', 'Transpose', [b!], false, { perm: [1, 0] }) : b!;
  if (alpha !== 1) weight = add('scaled', 'Mul', [weight, number(alpha)], false);
  const product = add('product', 'MatMul', [a!, weight], !c);
  if (c) {
    const bias = beta === 1 ? c : add('bias', 'Mul', [c, number(beta)], false);
    add('', 'Add', [product, bias], true);
  }
  editor.replace([node], nodes);
}

/** True for constants and for what nodes make of constants alone. */
function isMadeOfConstants(editor: Editor, name: string, depth = 8): boolean {
  if (editor.constant(name)) return true;
  const maker = depth > 0 ? editor.maker(name) : undefined;
  if (!maker || maker.inputs.length === 0) return false;
  return maker.inputs.every((input) => input === '' || isMadeOfConstants(editor, input, depth - 1));
}
