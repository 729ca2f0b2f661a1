/** Computes once what is written twice. */

import { type Attribute, type Graph, isGraph, type Node, type Shape, Tensor } from '@espalier/core';
import { isDeterministic } from '../rewrite/deterministic.ts';
import { Editor, makeNode } from '../rewrite/editor.ts';
import type { Pass } from './pass.ts';

export const commonSubexpressions: Pass = {
  name: 'common-subexpressions',
  summary: 'computes once what is written twice, and keeps equal constants once',
  run(graph, context) {
    const editor = new Editor(graph, context);
    mergeConstants(editor, graph.constants);
    const seen = new Map<string, Node>();
    const names = namesSizes(editor, graph);
    for (const node of editor.nodes()) {
      if (!isDeterministic(node) || node.op === 'Identity' || (names && editor.bindsSizes(node))) continue;
      const key = keyOf(node);
      const first = seen.get(key);
      if (first) merge(editor, first, node);
      else seen.set(key, node);
    }
    return editor.finish();
  },
};

/** True where an attribute names a size that some node finds out: that node has to stay. */
function namesSizes(editor: Editor, { nodes }: Graph): boolean {
  return nodes.some(({ attrs }) => Array.isArray(attrs['shape']) && !editor.isGlobal(attrs['shape'] as Shape));
}

function merge(editor: Editor, first: Node, again: Node): void {
  const pairs = again.outputs.map((name, i) => [name, first.outputs[i] ?? ''] as const).filter(([name]) => name !== '');
  if (!editor.has(first) || pairs.some(([, known]) => known === '')) return;
  // What the graph gives out keeps its name.
  const copies = pairs
    .filter(([name]) => editor.isOutput(name))
    .map(([name, known]) =>
      makeNode({ name: editor.fresh(`${again.name}/${name}`), op: 'Identity', inputs: [known], outputs: [name] }),
    );
  if (!editor.replace([again], copies)) return;
  for (const [name, known] of pairs) if (!editor.isOutput(name)) editor.rename(name, known);
}

const commutative = new Set(['Add', 'Mul', 'And', 'Or', 'Xor', 'Equal']);

function keyOf(node: Node): string {
  const commutes = commutative.has(node.op) && node.domain === '' && !node.epilogue;
  const inputs = commutes ? node.inputs.toSorted() : node.inputs;
  const attrs = Object.keys(node.attrs)
    .sort()
    .map((name) => [name, keyOfAttribute(node.attrs[name]!)]);
  const steps = (node.epilogue ?? []).map(({ op, attrs: a, inputs: i, position }) => [
    op,
    keyOfAttribute(a),
    i,
    position,
  ]);
  return JSON.stringify([node.domain, node.op, inputs, attrs, steps]);
}

const identities = new WeakMap<object, number>();
let identityCount = 0;

/** Equal for equal attributes; tensors of some size are equal only to themselves. */
function keyOfAttribute(value: Attribute | Readonly<Record<string, Attribute>>): unknown {
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : `${value}`;
  if (typeof value === 'string') return `"${value}`;
  if (Array.isArray(value)) return value.map(keyOfAttribute);
  if (value instanceof Tensor && value.size <= 64) return [value.type, value.dims, [...value.data].map(String)];
  if (value instanceof Tensor || isGraph(value)) {
    if (!identities.has(value)) identities.set(value, identityCount++);
    return { identity: identities.get(value) };
  }
  return Object.entries(value).map(([name, item]) => [name, keyOfAttribute(item)]);
}

/** Bytes of a tensor that are looked at before all of them are. */
const GLANCE = 64;

function mergeConstants(editor: Editor, constants: ReadonlyMap<string, Tensor>): void {
  const buckets = new Map<string, string[]>();
  for (const [name, tensor] of constants) {
    if (tensor.type === 'string' || editor.isOutput(name)) continue;
    const key = `${tensor.type}:${tensor.dims}:${tensor.bytes.subarray(0, GLANCE)}`;
    const bucket = buckets.get(key) ?? [];
    buckets.set(key, bucket);
    const same = bucket.find((known) => areEqual(constants.get(known)!.bytes, tensor.bytes));
    if (same === undefined) bucket.push(name);
    else if (editor.readers(name).length > 0) {
      editor.rename(name, same);
      editor.context.rewrote();
    }
  }
}

function areEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  for (let i = GLANCE; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
