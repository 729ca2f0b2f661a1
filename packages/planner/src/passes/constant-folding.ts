/** Computes nodes whose operands are all known, except where a weight is stored small and would be stored large. */

import { byteLength, dim, dtypes, type Graph, type Node, sizeOf, type Tensor, type ValueFacts } from '@espalier/core';
import { isDeterministic } from '../rewrite/deterministic.ts';
import { Editor, isPlain } from '../rewrite/editor.ts';
import { tryEvaluate } from '../rewrite/evaluate.ts';
import type { Pass, PassContext } from './pass.ts';

/** Results up to this many bytes are kept however much larger than the operands they are. */
const SMALL_BYTES = 1 << 16;
/** What int4 becoming float32 needs. */
const DEQUANTIZED_GROWTH = 8;
/** Element operations that folding may cost in one node; beyond, the run does them. */
const MAX_WORK = 2 ** 28;

const contractions = new Set(['Conv', 'ConvTranspose', 'Einsum', 'Gemm', 'MatMul']);

export const constantFolding: Pass = {
  name: 'constant-folding',
  summary: 'computes nodes whose operands are constants; weights stored in few bits stay so',
  run: (graph, context) => fold(graph, context, false),
};

export const dequantizeConstants: Pass = {
  name: 'dequantize-constants',
  summary: 'computes what is left between weights stored in few bits and ops that need them as floats',
  run: (graph, context) => fold(graph, context, true),
};

async function fold(graph: Graph, context: PassContext, dequantize: boolean): Promise<Graph> {
  if (!context.evaluate) return graph;
  const editor = new Editor(graph, context);
  const { fresh } = context.inferred(graph);
  for (const node of editor.nodes()) {
    const inputs = node.inputs.map((name) => editor.constant(name));
    if (node.inputs.some((name, i) => name !== '' && !inputs[i])) continue;
    // Other nodes without operands are sizes, which only a run knows.
    if (!inputs.some(Boolean) && node.op !== 'ConstantOfShape') continue;
    const dequantizes = isDequantization(node, editor);
    if (node.domain !== '' || node.epilogue || !isDeterministic(node) || (dequantizes && !dequantize)) continue;
    const outputs = node.outputs.filter((name) => name !== '').map((name) => editor.facts(name)!);
    const growth = dequantizes ? DEQUANTIZED_GROWTH : 1;
    if (!isWorthIt(node, inputs, outputs, fresh.get(node.name) ?? [], growth)) continue;
    const results = await tryEvaluate(context, node, inputs);
    if (results) editor.makeConstant(node, results);
  }
  return editor.finish();
}

/** True for the first step from a matrix of few bits to floats. */
function isDequantization(node: Node, editor: Editor): boolean {
  if (isPlain(node, 'DequantizeLinear')) return true;
  if (!isPlain(node, 'Cast')) return false;
  const [from, to] = [editor.facts(node.inputs[0]!)!, editor.facts(node.outputs[0]!)!];
  return (
    from.shape.length >= 2 &&
    dtypes[to.dtype].kind === 'float' &&
    dtypes[from.dtype].kind !== 'bool' &&
    dtypes[from.dtype].bits <= 16 &&
    dtypes[from.dtype].bits < dtypes[to.dtype].bits
  );
}

function isWorthIt(
  node: Node,
  inputs: readonly (Tensor | undefined)[],
  outputs: readonly ValueFacts[],
  fresh: readonly string[],
  growth: number,
): boolean {
  const before = inputs.reduce((sum, t) => sum + (t ? byteLength(t.type, t.size) : 0), 0);
  const symbols = outputs.flatMap(({ shape }) => shape.flatMap((d) => dim.symbols(d)));
  // Sizes that only the values tell come from ops that pick among their operands' elements.
  if (symbols.length > 0) return before <= SMALL_BYTES && symbols.every((symbol) => fresh.includes(symbol));
  const elements = outputs.reduce((sum, { shape }) => sum + sizeOf(shape as readonly number[]), 0);
  const after = outputs.reduce(
    (sum, { dtype, shape }) => sum + byteLength(dtype, sizeOf(shape as readonly number[])),
    0,
  );
  const work = elements * (contractions.has(node.op) ? Math.max(1, ...inputs.map((t) => t?.size ?? 0)) : 1);
  return work <= MAX_WORK && after <= Math.max(SMALL_BYTES, before * growth);
}
