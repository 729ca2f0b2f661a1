/** Finds attention that is written out, from its last product back to queries, keys and values. */

import { type Dim, dim, type Node, type Shape } from '@espalier/core';
import { type Editor, sameShape } from '../../rewrite/editor.ts';
import { axesOf, isPerm, otherInput, permOf } from '../../rewrite/match.ts';
import { Trail } from '../../rewrite/trail.ts';
import { ABYSS, type AttentionPattern, asIs, type Mask, type Operand, swapLast } from './pattern.ts';

const MOST_MASKS = 4;

/** The attention that `last`, a MatMul, is the last product of. */
export function matchAttention(editor: Editor, last: Node): AttentionPattern | undefined {
  return new Matcher(editor).match(last);
}

class Matcher {
  private readonly editor: Editor;
  private readonly trail: Trail;
  private scale = 1;

  constructor(editor: Editor) {
    this.editor = editor;
    this.trail = new Trail(editor);
  }

  match(last: Node): AttentionPattern | undefined {
    const { editor, trail } = this;
    trail.add(last);
    const [output, v] = last.inputs as [string, string];
    const guarded = this.guarded(output);
    const weights = guarded?.softmax ?? output;
    const softmax = this.trail.take(weights, 'Softmax');
    const rank = editor.shape(weights).length;
    const axis = (softmax?.attrs['axis'] as number | undefined) ?? -1;
    if (!softmax || (rank !== 3 && rank !== 4) || (axis !== -1 && axis !== rank - 1)) return undefined;
    const masks: Mask[] = [];
    const product = this.product(softmax.inputs[0]!, masks);
    if (!product) return undefined;
    trail.add(product);
    const isMask = masks.length === 1 && masks[0]!.fill === undefined && guarded?.seen === masks[0]!.value;
    if (guarded?.seen !== undefined && guarded.seen !== softmax.inputs[0] && !isMask) return undefined;
    const [q, kT] = product.inputs.map((name) => this.unscaled(name)) as [string, string];
    const shapes = [q, kT, v].map((name) => editor.shape(name));
    const batch = shapes[0]!.slice(0, -2);
    if (!shapes.every((shape) => shape.length === rank && sameShape(shape.slice(0, -2), batch))) return undefined;
    if (!editor.isClosed(trail.nodes, last.outputs[0]!)) return undefined;
    const operands = this.shared(q, kT, v) ?? {
      q: { name: q, perm: asIs },
      k: { name: kT, perm: swapLast },
      v: { name: v, perm: asIs },
      groups: 1,
    };
    return { nodes: trail.nodes, rank, ...operands, scale: this.scale, masks, nanToZero: guarded !== undefined };
  }

  /** Keys and values whose heads were repeated, each for several query heads in a row, as they were before. */
  private shared(q: string, kT: string, v: string): Pick<AttentionPattern, 'q' | 'k' | 'v' | 'groups'> | undefined {
    const transpose = this.editor.madeBy(kT, 'Transpose');
    if (!isPerm(permOf(this.editor, transpose), ...swapLast)) return undefined;
    const [k, w] = [this.beforeRepeat(transpose!.inputs[0]!), this.beforeRepeat(v)];
    if (!k || !w || k.times !== w.times) return undefined;
    const operand = (name: string): Operand => ({ name, perm: asIs });
    return { q: operand(q), k: operand(k.name), v: operand(w.name), groups: k.times };
  }

  /** `[B,H,S,D]` behind `Reshape(Expand(Unsqueeze(x, 2)))`. */
  private beforeRepeat(name: string): { name: string; times: number } | undefined {
    const { editor } = this;
    const expand = editor.madeBy(editor.madeBy(name, 'Reshape')?.inputs[0], 'Expand');
    const lifted = expand && editor.madeBy(expand.inputs[0], 'Unsqueeze', 'Reshape');
    if (!lifted) return undefined;
    const [before, single, many, after] = [lifted.inputs[0]!, expand.inputs[0]!, expand.outputs[0]!, name].map(
      (value) => editor.shape(value),
    ) as [Shape, Shape, Shape, Shape];
    const times = many[2];
    if (before.length !== 4 || after.length !== 4 || typeof times !== 'number') return undefined;
    const [batch, heads, ...rest] = before as [Dim, Dim, Dim, Dim];
    const isRepeat =
      sameShape(single, [batch, heads, 1, ...rest]) &&
      sameShape(many, [batch, heads, times, ...rest]) &&
      sameShape(after, [batch, dim.mul(heads, times), ...rest]);
    return isRepeat && editor.isGlobal(before) ? { name: lifted.inputs[0]!, times } : undefined;
  }

  /**
   * The softmax in `Where(IsNaN(softmax), 0, softmax)`, or in what ONNX's own Attention does where a query sees nothing:
   * `Where(ReduceMax(x) == -Infinity, 0, softmax)`; then `seen` is x.
   */
  private guarded(name: string): { softmax: string; seen?: string } | undefined {
    const { editor, trail } = this;
    const choice = editor.madeBy(name, 'Where');
    const test = editor.madeBy(choice?.inputs[0], 'IsNaN', 'Equal');
    const softmax = choice?.inputs[2];
    if (!test || softmax === undefined || editor.scalar(choice!.inputs[1]) !== 0) return undefined;
    trail.add(choice!, test);
    if (test.op === 'IsNaN') return test.inputs[0] === softmax ? { softmax } : undefined;
    const most = test.inputs.map((input) => editor.madeBy(input, 'ReduceMax')).find((node) => node);
    const limit = most && otherInput(test, most.outputs[0]!);
    if (!most || editor.scalar(limit) !== Number.NEGATIVE_INFINITY || (most.attrs['keepdims'] ?? 1) !== 1)
      return undefined;
    trail.add(most);
    const [seen] = most.inputs as [string];
    return isPerm(axesOf(editor, most), editor.shape(seen).length - 1) ? { softmax, seen } : undefined;
  }

  /** The product that scores come from. */
  private product(name: string, masks: Mask[]): Node | undefined {
    for (;;) {
      const inner = this.unscaled(name);
      const product = this.editor.madeBy(inner, 'MatMul');
      if (product) return product;
      // A factor outside a mask would be the mask's too.
      const step = inner === name && masks.length < MOST_MASKS ? this.masked(name) : undefined;
      if (!step) return undefined;
      // Softmax does not tell -0 from 0.
      if (this.editor.scalar(step.mask.value) !== 0 || step.mask.fill !== undefined) masks.push(step.mask);
      name = step.scores;
    }
  }

  /** What a value is a constant multiple of, if nothing else reads it; the factor joins the scale. */
  private unscaled(name: string): string {
    for (;;) {
      const node = this.editor.onlyReader(name) && this.editor.madeBy(name, 'Mul', 'Div');
      const index = node?.inputs.findIndex((input) => this.editor.scalar(input) !== undefined) ?? -1;
      if (!node || index < 0 || (node.op === 'Div' && index === 0)) return name;
      const [factor, value] = [this.editor.scalar(node.inputs[index])!, node.inputs[1 - index]!];
      if (!sameShape(this.editor.shape(value), this.editor.shape(name)) || !(factor > 0)) return name;
      this.trail.add(node);
      this.scale *= node.op === 'Mul' ? factor : 1 / factor;
      name = value;
    }
  }

  private masked(name: string): { mask: Mask; scores: string } | undefined {
    const node = this.trail.take(name, 'Add', 'Where');
    if (!node) return undefined;
    const keeps = (scores: string): boolean =>
      sameShape(this.editor.shape(scores), this.editor.shape(name)) && this.leadsToProduct(scores, MOST_MASKS);
    if (node.op === 'Add') {
      const scores = node.inputs.find(keeps);
      const value = scores && otherInput(node, scores);
      return value ? { mask: { value }, scores } : undefined;
    }
    const [condition, yes, no] = node.inputs as [string, string, string];
    for (const [scores, filled] of [
      [yes, no],
      [no, yes],
    ] as const) {
      const fill = this.editor.scalar(filled);
      if (fill !== undefined && fill < ABYSS && keeps(scores))
        return { mask: { value: condition, fill, isInverted: scores === no }, scores };
    }
    return undefined;
  }

  private leadsToProduct(name: string, depth: number): boolean {
    const node = this.editor.madeBy(name, 'MatMul', 'Add', 'Where', 'Mul', 'Div');
    if (!node || depth === 0) return false;
    return node.op === 'MatMul' || node.inputs.some((input) => this.leadsToProduct(input, depth - 1));
  }
}
