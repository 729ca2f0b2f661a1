/** Attention written out: softmax(scale Q K^T + mask) V, with the transposes around it. */

import { type Dim, dim, ESPALIER, type Node, type Shape, Tensor } from '@espalier/core';
import { Chain } from '../rewrite/chain.ts';
import { Editor, isPlain, makeNode, sameShape } from '../rewrite/editor.ts';
import { axesOf, isPerm, otherInput, permOf } from '../rewrite/match.ts';
import { elementAt, tensorOf } from '../rewrite/values.ts';
import type { Pass } from './pass.ts';

export const fuseAttention: Pass = {
  name: 'fuse-attention',
  summary: 'writes softmax(scale Q K^T + mask) V, and the transposes around it, as one node',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) {
      const found = isPlain(node, 'MatMul') ? new Matcher(editor).match(node) : undefined;
      if (found) new Writer(editor, node, found).write();
    }
    return editor.finish();
  },
};

/** What is done to the scores before the softmax: a value is added, or a bool mask says where to look. */
interface Mask {
  readonly value: string;
  /** For bool masks: what the scores become where one must not look. */
  readonly fill?: number;
  /** For bool masks: true says where not to look. */
  readonly isInverted?: boolean;
}

/** A value, and how it has to be transposed to be `[B,H,S,D]`. */
interface Operand {
  readonly name: string;
  readonly perm: readonly number[];
}

interface Found {
  readonly nodes: ReadonlySet<Node>;
  readonly rank: number;
  readonly q: Operand;
  readonly k: Operand;
  readonly v: Operand;
  /** Query heads that share a head of K and V. */
  readonly groups: number;
  readonly scale: number;
  readonly masks: readonly Mask[];
  readonly nanToZero: boolean;
}

/** Scores that are filled with less than this are lost in it when they are added instead. */
const ABYSS = -1e30;
const MOST_MASKS = 4;

const asIs = [0, 1, 2, 3];
const swapHeads = [0, 2, 1, 3];
const swapLast = [0, 1, 3, 2];

class Matcher {
  private readonly editor: Editor;
  private readonly nodes = new Set<Node>();
  private scale = 1;

  constructor(editor: Editor) {
    this.editor = editor;
  }

  match(last: Node): Found | undefined {
    const { editor, nodes } = this;
    nodes.add(last);
    const [output, v] = last.inputs as [string, string];
    const guarded = this.guarded(output);
    const weights = guarded?.softmax ?? output;
    const softmax = this.take(weights, 'Softmax');
    const rank = editor.shape(weights).length;
    const axis = (softmax?.attrs['axis'] as number | undefined) ?? -1;
    if (!softmax || (rank !== 3 && rank !== 4) || (axis !== -1 && axis !== rank - 1)) return undefined;
    const masks: Mask[] = [];
    const product = this.product(softmax.inputs[0]!, masks);
    if (!product) return undefined;
    nodes.add(product);
    const isMask = masks.length === 1 && masks[0]!.fill === undefined && guarded?.seen === masks[0]!.value;
    if (guarded?.seen !== undefined && guarded.seen !== softmax.inputs[0] && !isMask) return undefined;
    const [q, kT] = product.inputs.map((name) => this.unscaled(name)) as [string, string];
    const shapes = [q, kT, v].map((name) => editor.shape(name));
    const batch = shapes[0]!.slice(0, -2);
    if (!shapes.every((shape) => shape.length === rank && sameShape(shape.slice(0, -2), batch))) return undefined;
    if (!editor.isClosed(nodes, last.outputs[0]!)) return undefined;
    const operands = this.shared(q, kT, v) ?? {
      q: { name: q, perm: asIs },
      k: { name: kT, perm: swapLast },
      v: { name: v, perm: asIs },
      groups: 1,
    };
    return { nodes, rank, ...operands, scale: this.scale, masks, nanToZero: guarded !== undefined };
  }

  /** Keys and values whose heads were repeated, each for several query heads in a row, as they were before. */
  private shared(q: string, kT: string, v: string): Pick<Found, 'q' | 'k' | 'v' | 'groups'> | undefined {
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

  private take(name: string, ...ops: readonly string[]): Node | undefined {
    const node = this.editor.madeBy(name, ...ops);
    if (node) this.nodes.add(node);
    return node;
  }

  /**
   * The softmax in `Where(IsNaN(softmax), 0, softmax)`, or in what ONNX's own Attention does where a query sees nothing:
   * `Where(ReduceMax(x) == -Infinity, 0, softmax)`; then `seen` is x.
   */
  private guarded(name: string): { softmax: string; seen?: string } | undefined {
    const { editor, nodes } = this;
    const choice = editor.madeBy(name, 'Where');
    const test = editor.madeBy(choice?.inputs[0], 'IsNaN', 'Equal');
    const softmax = choice?.inputs[2];
    if (!test || softmax === undefined || editor.scalar(choice!.inputs[1]) !== 0) return undefined;
    nodes.add(choice!).add(test);
    if (test.op === 'IsNaN') return test.inputs[0] === softmax ? { softmax } : undefined;
    const most = test.inputs.map((input) => editor.madeBy(input, 'ReduceMax')).find((node) => node);
    const limit = most && otherInput(test, most.outputs[0]!);
    if (!most || editor.scalar(limit) !== Number.NEGATIVE_INFINITY || (most.attrs['keepdims'] ?? 1) !== 1)
      return undefined;
    nodes.add(most);
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
      this.nodes.add(node);
      this.scale *= node.op === 'Mul' ? factor : 1 / factor;
      name = value;
    }
  }

  private masked(name: string): { mask: Mask; scores: string } | undefined {
    const node = this.take(name, 'Add', 'Where');
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

class Writer {
  private readonly editor: Editor;
  private readonly last: Node;
  private readonly found: Found;
  private readonly chain: Chain;

  constructor(editor: Editor, last: Node, found: Found) {
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
