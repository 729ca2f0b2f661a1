/** Gelu written out: `x/2 (1 + erf(x/sqrt 2))`, or with tanh, in whatever order the exporter multiplies. */

import type { Node } from '@espalier/core';
import { Editor, isPlain, makeNode } from '../rewrite/editor.ts';
import { isAbout } from '../rewrite/values.ts';
import type { Pass } from './pass.ts';

export const fuseGelu: Pass = {
  name: 'fuse-gelu',
  summary: 'writes x/2 (1 + erf(x/sqrt 2)) and its tanh form as Gelu',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) if (isPlain(node, 'Erf', 'Tanh')) fuse(editor, node);
    return editor.finish();
  },
};

/** Polynomials in x and in t, the result of Erf or Tanh: coefficients by `power of x, power of t`. */
type Polynomial = ReadonlyMap<string, number>;

const result: Polynomial = new Map([
  ['1,0', 0.5],
  ['1,1', 0.5],
]);
const argument: Readonly<Record<string, Polynomial>> = {
  Erf: new Map([['1,0', Math.SQRT1_2]]),
  Tanh: new Map([
    ['1,0', Math.sqrt(2 / Math.PI)],
    ['3,0', Math.sqrt(2 / Math.PI) * 0.044715],
  ]),
};
/** Nodes between the inner function and the last product. */
const LONGEST_TAIL = 5;

function fuse(editor: Editor, inner: Node): void {
  const dtype = editor.dtype(inner.inputs[0]!);
  for (const x of conesOf(editor, inner.inputs[0]!)) {
    const before = new Expansion(editor, x, inner);
    if (!isSame(before.expand(inner.inputs[0]!), argument[inner.op]!, dtype)) continue;
    let last: Node | undefined = inner;
    for (let i = 0; i < LONGEST_TAIL; i++) {
      last = editor.onlyReader(last.outputs[0]!);
      if (!last) return;
      const after = new Expansion(editor, x, inner);
      if (!isSame(after.expand(last.outputs[0]!), result, dtype)) continue;
      const replaced = new Set([inner, ...before.nodes, ...after.nodes]);
      const [output] = last.outputs;
      if (!editor.isClosed(replaced, output!)) return;
      const attrs = { approximate: inner.op === 'Erf' ? 'none' : 'tanh' };
      editor.replace(
        [...replaced],
        [makeNode({ name: last.name, op: 'Gelu', inputs: [x], outputs: [output!], attrs })],
      );
      return;
    }
    return;
  }
}

const arithmetic = ['Mul', 'Div', 'Add', 'Sub', 'Neg', 'Pow'];

/** What x may be: the values that the argument is computed from, nearest first. */
function conesOf(editor: Editor, name: string): readonly string[] {
  const found = new Set<string>();
  let level = [name];
  for (let depth = 0; depth < 7 && level.length > 0; depth++) {
    level = level.flatMap((value) => editor.madeBy(value, ...arithmetic)?.inputs ?? []).filter((v) => !found.has(v));
    for (const value of level) if (!editor.constant(value)) found.add(value);
  }
  return [...found];
}

function isSame(a: Polynomial | undefined, b: Polynomial, dtype: Parameters<typeof isAbout>[2]): boolean {
  if (a?.size !== b.size) return false;
  return [...b].every(([powers, value]) => a.has(powers) && isAbout(a.get(powers)!, value, dtype));
}

/** Writes a value as a polynomial, and keeps the nodes that it went through. */
class Expansion {
  readonly nodes = new Set<Node>();
  private readonly editor: Editor;
  private readonly x: string;
  private readonly inner: Node;
  private steps = 0;

  constructor(editor: Editor, x: string, inner: Node) {
    this.editor = editor;
    this.x = x;
    this.inner = inner;
  }

  expand(name: string): Polynomial | undefined {
    if (name === this.x) return new Map([['1,0', 1]]);
    if (name === this.inner.outputs[0]) return new Map([['0,1', 1]]);
    const value = this.editor.scalar(name);
    if (value !== undefined) return new Map([['0,0', value]]);
    const node = this.editor.madeBy(name, ...arithmetic);
    if (!node || ++this.steps > 32) return undefined;
    this.nodes.add(node);
    const a = this.expand(node.inputs[0]!);
    if (!a) return undefined;
    if (node.op === 'Neg') return combine([a], -1);
    const b = this.expand(node.inputs[1]!);
    if (!b) return undefined;
    if (node.op === 'Add') return combine([a, b]);
    if (node.op === 'Sub') return combine([a, combine([b], -1)]);
    if (node.op === 'Mul') return multiply(a, b);
    const divisor = b.size === 1 ? b.get('0,0') : undefined;
    if (divisor === undefined) return undefined;
    if (node.op === 'Div') return combine([a], 1 / divisor);
    if (divisor === 2) return multiply(a, a);
    return divisor === 3 ? multiply(a, multiply(a, a)) : undefined;
  }
}

function combine(polynomials: readonly Polynomial[], factor = 1): Polynomial {
  const sum = new Map<string, number>();
  for (const polynomial of polynomials)
    for (const [powers, value] of polynomial) sum.set(powers, (sum.get(powers) ?? 0) + value * factor);
  return sum;
}

function multiply(a: Polynomial, b: Polynomial): Polynomial {
  const terms: Polynomial[] = [];
  for (const [p, u] of a) {
    for (const [q, v] of b) {
      const [[px, pt], [qx, qt]] = [p.split(','), q.split(',')];
      terms.push(new Map([[`${Number(px) + Number(qx)},${Number(pt) + Number(qt)}`, u * v]]));
    }
  }
  return combine(terms);
}
