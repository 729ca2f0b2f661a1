/** Writes attention as one node, with the transposes, masks and parts that it needs. */

import { type Dim, dim, ESPALIER, type Node, type Shape, Tensor } from '@espalier/core';
import { Chain } from '../../rewrite/chain.ts';
import { type Editor, makeNode } from '../../rewrite/editor.ts';
import { isPerm, permOf } from '../../rewrite/match.ts';
import { elementAt, tensorOf } from '../../rewrite/values.ts';
import { ABYSS, type AttentionPattern, asIs, type Mask, type Operand, swapHeads, swapLast } from './pattern.ts';

/** Replaces what was found, up to `last`, its last product. */
export function writeAttention(editor: Editor, last: Node, found: AttentionPattern): void {
  new Writer(editor, last, found).write();
}

class Writer {
  private readonly editor: Editor;
  private readonly last: Node;
  private readonly found: AttentionPattern;
  private readonly chain: Chain;

  constructor(editor: Editor, last: Node, found: AttentionPattern) {
    this.editor = editor;
    this.last = last;
    this.found = found;
    this.chain = new Chain(editor, last.name);
  }

  write(): void {
    const { editor, found, last, chain } = this;
    const isFlat = found.rank === 3;
    const reader = editor.onlyReader(last.outputs[0]!);
    const swapped = isPerm(permOf(editor, reader), ...swapHeads) ? reader : undefined;
    const sources = isFlat ? this.flat() : this.perHead(swapped !== undefined);
    const { layout, q, k, v } = sources;
    // Either the node makes what the transpose behind it made, or a transpose of its own comes behind.
    const isSwapped = layout === 'BSHD' && swapped !== undefined;
    const result = isSwapped ? swapped.outputs[0]! : last.outputs[0]!;
    const needsMore = isFlat || (layout === 'BSHD' && !isSwapped);
    const output = needsMore ? editor.fresh(`${result}/attention`) : result;
    const causal = this.causalMask();
    const mask = causal ? undefined : this.mask(isFlat);
    const attrs = {
      scale: found.scale,
      layout,
      ...(causal ? { is_causal: 1 } : {}),
      ...(found.nanToZero ? { nan_to_zero: 1 } : {}),
    };
    const inputs = mask === undefined ? [q, k, v] : [q, k, v, mask];
    const parts = new Chain(editor, `${last.name}:`);
    this.writeParts(parts, layout, inputs, causal, output);
    chain.nodes.push({
      ...makeNode({ name: last.name, op: 'Attention', domain: ESPALIER, inputs, outputs: [output], attrs }),
      decomposition: parts.nodes,
    });
    if (isFlat) chain.add('Squeeze', [output, this.axisOne()], {}, result);
    else if (needsMore) chain.add('Transpose', [output], { perm: swapHeads }, result);
    editor.replace([...found.nodes, ...(isSwapped ? [swapped] : [])], chain.nodes);
  }

  /** Operands of one head: `[B,S,D]` as `[B,1,S,D]`. */
  private flat(): { layout: 'BHSD'; q: string; k: string; v: string } {
    const { q, k, v } = this.found;
    const lift = (name: string): string => this.chain.add('Unsqueeze', [name, this.axisOne()]);
    return { layout: 'BHSD', q: lift(q.name), k: lift(this.transposed(k.name, [0, 2, 1])), v: lift(v.name) };
  }

  private axisOne(): string {
    return this.chain.constant(tensorOf('int64', [1], [1]));
  }

  /** Operands in the layout that takes fewer transposes, those already there counted. */
  private perHead(isSwapped: boolean): { layout: 'BHSD' | 'BSHD'; q: string; k: string; v: string } {
    const { q, k, v } = this.found;
    const perms = { BHSD: asIs, BSHD: swapHeads };
    const operands = (layout: 'BHSD' | 'BSHD'): readonly (readonly [string, readonly number[]])[] =>
      [q, k, v].map(({ name, perm }) => [name, perms[layout].map((axis) => perm[axis]!)]);
    const transposes = (layout: 'BHSD' | 'BSHD'): number =>
      operands(layout).filter(([name, perm]) => !this.isFree(name, perm)).length +
      Number(isSwapped === (layout === 'BHSD'));
    const layout = transposes('BSHD') < transposes('BHSD') ? 'BSHD' : 'BHSD';
    const [Q, K, V] = operands(layout).map(([name, perm]) => this.transposed(name, perm));
    return { layout, q: Q!, k: K!, v: V! };
  }

  /** True where `name` transposed by `perm` needs no transpose at all. */
  private isFree(name: string, perm: readonly number[]): boolean {
    const made = permOf(this.editor, this.editor.madeBy(name, 'Transpose'));
    return made !== undefined && perm.every((axis, i) => made[axis] === i);
  }

  /** `name` transposed by `perm`, one transpose or none in all. */
  private transposed(name: string, perm: readonly number[]): string {
    if (perm.every((axis, i) => axis === i)) return name;
    const transpose = this.editor.madeBy(name, 'Transpose');
    const made = permOf(this.editor, transpose);
    if (!made) return this.chain.add('Transpose', [name], { perm });
    const both = perm.map((axis) => made[axis]!);
    const [source] = transpose!.inputs;
    return both.every((axis, i) => axis === i) ? source! : this.chain.add('Transpose', [source!], { perm: both });
  }

  /** One mask for all: bool where there is but one and it hides entirely, else the sum. */
  private mask(isFlat: boolean): string | undefined {
    const { masks, q } = this.found;
    const [first] = masks;
    if (!first) return undefined;
    const lift = (name: string): string =>
      isFlat && this.editor.shape(name).length === 3 ? this.chain.add('Unsqueeze', [name, this.axisOne()]) : name;
    if (masks.length === 1 && first.fill === Number.NEGATIVE_INFINITY) {
      const value = lift(first.value);
      return first.isInverted ? this.chain.add('Not', [value]) : value;
    }
    const dtype = this.editor.dtype(q.name);
    const number = (value: number): string => this.chain.constant(tensorOf(dtype, [], [value]));
    const added = masks.map(({ value, fill, isInverted }) => {
      if (fill === undefined) return lift(value);
      const choices = isInverted ? [number(fill), number(0)] : [number(0), number(fill)];
      return this.chain.add('Where', [lift(value), ...choices]);
    });
    return added.reduce((a, b) => this.chain.add('Add', [a, b]));
  }

  /** The only mask, where it is a constant that hides exactly the keys after each query's position. */
  private causalMask(): Mask | undefined {
    const { masks, q, v } = this.found;
    const [mask] = masks;
    const tensor = mask && this.editor.constant(mask.value);
    const [size, keys] = [q, v].map(({ name }) => this.editor.shape(name).at(-2));
    if (!tensor || masks.length > 1 || typeof size !== 'number' || keys !== size) return undefined;
    if (tensor.size !== size * size || tensor.dims.at(-1) !== size || size < 2) return undefined;
    const seen = mask.fill === undefined ? 0 : mask.isInverted ? 0 : 1;
    const isHidden = (value: number): boolean => (mask.fill === undefined ? value < ABYSS : value !== seen);
    for (let i = 0; i < tensor.size; i++) {
      const value = elementAt(tensor, i);
      if (i % size > Math.floor(i / size) ? !isHidden(value) : value !== seen) return undefined;
    }
    return mask;
  }

  /** The ONNX nodes that the fused one stands for. */
  private writeParts(
    parts: Chain,
    layout: 'BHSD' | 'BSHD',
    [q, k, v, mask]: readonly string[],
    causal: Mask | undefined,
    output: string,
  ): void {
    const { scale, nanToZero } = this.found;
    const dtype = this.editor.dtype(this.found.q.name);
    const number = (value: number): string => parts.constant(tensorOf(dtype, [], [value]));
    const isSwapped = layout === 'BSHD';
    const heads = (name: string): string => (isSwapped ? parts.add('Transpose', [name], { perm: swapHeads }) : name);
    const shared = (name: string, shape: Shape): string => this.repeated(parts, heads(name), shape);
    const keys = parts.add('Transpose', [shared(k!, this.headShape(this.found.k))], { perm: swapLast });
    const queries = scale === 1 ? heads(q!) : parts.add('Mul', [heads(q!), number(scale)]);
    let running = parts.add('MatMul', [queries, keys]);
    if (causal) {
      const size = this.editor.shape(this.found.q.name).at(-2) as number;
      const seen = new Tensor(
        'bool',
        new Uint8Array(size * size).map((_, i) => Number(i % size <= Math.floor(i / size))),
        [size, size],
      );
      running = parts.add('Where', [parts.constant(seen), running, number(Number.NEGATIVE_INFINITY)]);
    } else if (mask !== undefined) {
      const isBool = this.found.masks.length === 1 && this.found.masks[0]!.fill === Number.NEGATIVE_INFINITY;
      running = isBool
        ? parts.add('Where', [mask, running, number(Number.NEGATIVE_INFINITY)])
        : parts.add('Add', [running, mask]);
    }
    running = parts.add('Softmax', [running], { axis: -1 });
    if (nanToZero) running = parts.add('Where', [parts.add('IsNaN', [running]), number(0), running]);
    const values = shared(v!, this.headShape(this.found.v));
    if (isSwapped) parts.add('Transpose', [parts.add('MatMul', [running, values])], { perm: swapHeads }, output);
    else parts.add('MatMul', [running, values], {}, output);
  }

  private headShape({ name, perm }: Operand): Shape {
    const shape = this.editor.shape(name);
    return shape.length === 4 ? perm.map((axis) => shape[axis]!) : shape;
  }

  /** Heads of `[B,H,S,D]` repeated, each for its group of query heads. */
  private repeated(parts: Chain, name: string, shape: Shape): string {
    const { groups } = this.found;
    if (groups === 1) return name;
    const [batch, heads, ...rest] = shape as [Dim, Dim, Dim, Dim];
    const single = parts.add('Reshape', [name], { shape: [batch, heads, 1, ...rest] });
    const many = parts.add('Expand', [single], { shape: [batch, heads, groups, ...rest] });
    return parts.add('Reshape', [many], { shape: [batch, dim.mul(heads, groups), ...rest] });
  }
}
