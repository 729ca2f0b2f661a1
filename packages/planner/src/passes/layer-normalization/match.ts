/** Finds layer normalisation that is written out, from the root of the variance backwards and forwards. */

import { type Node, type Shape, sizeOf } from '@espalier/core';
import { type Editor, isPlain, sameShape } from '../../rewrite/editor.ts';
import { axesOf, bothWays, keptShape, otherInput, squareOf } from '../../rewrite/match.ts';
import { Trail, views } from '../../rewrite/trail.ts';
import { isAbout } from '../../rewrite/values.ts';

export interface LayerNormalizationPattern {
  readonly nodes: ReadonlySet<Node>;
  readonly x: string;
  readonly axes: readonly number[];
  readonly epsilon: number;
  readonly scale: string | undefined;
  readonly bias: string | undefined;
  readonly last: Node;
}

/** The normalisation that divides by `root`, a Sqrt or Pow. */
export function matchLayerNormalization(editor: Editor, root: Node): LayerNormalizationPattern | undefined {
  return new Matcher(editor).match(root);
}

class Matcher {
  private readonly editor: Editor;
  private readonly trail: Trail;
  private x = '';
  private axes: readonly number[] = [];

  constructor(editor: Editor) {
    this.editor = editor;
    this.trail = new Trail(editor);
  }

  match(root: Node): LayerNormalizationPattern | undefined {
    const power = root.op === 'Sqrt' ? 0.5 : this.editor.scalar(root.inputs[1]);
    if (power !== 0.5 && power !== -0.5) return undefined;
    this.trail.add(root);
    const epsilon = this.variance(root.inputs[0]!);
    if (epsilon === undefined) return undefined;
    const tail = this.forward(root, power < 0);
    const { nodes } = this.trail;
    if (!tail || !this.editor.isClosed(nodes, tail.last.outputs[0]!)) return undefined;
    return { nodes, x: this.x, axes: this.axes, epsilon, ...tail };
  }

  /** Variance + epsilon: sets x and the axes, gives epsilon. */
  private variance(name: string): number | undefined {
    const sum = this.trail.take(this.trail.beforeViews(name), 'Add');
    for (const [value, constant] of sum ? bothWays(sum) : []) {
      const epsilon = this.editor.scalar(constant);
      if (epsilon !== undefined && epsilon >= 0 && this.isVariance(this.aboveZero(this.trail.beforeViews(value))))
        return epsilon;
    }
    return undefined;
  }

  /** A variance is >= 0 but for rounding: clamping it there changes nothing. */
  private aboveZero(name: string): string {
    const node = this.trail.take(name, 'Max', 'Relu');
    if (!node) return name;
    if (node.op === 'Relu') return this.trail.beforeViews(node.inputs[0]!);
    const other = node.inputs.find((input) => this.editor.scalar(input) === 0);
    return other && node.inputs.length === 2 ? this.trail.beforeViews(otherInput(node, other) ?? name) : name;
  }

  private isVariance(name: string): boolean {
    const mean = this.meanOf(name);
    const square = mean && squareOf(this.editor, mean.of);
    if (square) {
      this.trail.add(square.node);
      const difference = this.trail.take(square.of, 'Sub');
      if (!difference) return false;
      [this.x, this.axes] = [difference.inputs[0]!, mean.axes];
      return this.isDifference(difference);
    }
    // The mean of the squares minus the square of the mean.
    const difference = this.trail.take(name, 'Sub');
    if (!difference) return false;
    const [a, b] = difference.inputs.map((input) => this.trail.beforeViews(input));
    const squares = this.meanOf(a!);
    const inner = squares && squareOf(this.editor, squares.of);
    const outer = squareOf(this.editor, b!);
    const middle = outer && this.meanOf(this.trail.beforeViews(outer.of));
    if (!inner || !middle || middle.of !== inner.of || !isSame(middle.axes, squares.axes)) return false;
    this.trail.add(inner.node, outer.node);
    [this.x, this.axes] = [inner.of, middle.axes];
    return true;
  }

  /** What a value is the mean of, and along which axes: ReduceMean, or ReduceSum over the number of elements. */
  private meanOf(name: string): { of: string; axes: readonly number[] } | undefined {
    const { editor } = this;
    const node = editor.madeBy(name, 'ReduceMean', 'Mul', 'Div');
    if (!node) return undefined;
    const orders = node.op === 'Mul' ? bothWays(node) : [node.inputs as unknown as readonly [string, string]];
    for (const [value, constant] of node.op === 'ReduceMean' ? [] : orders) {
      const sum = editor.madeBy(this.trail.beforeViews(value), 'ReduceSum');
      const axes = sum && axesOf(editor, sum);
      const factor = editor.scalar(constant);
      if (!axes || factor === undefined) continue;
      const sizes = axes.map((axis) => editor.shape(sum.inputs[0]!)[axis]!);
      if (!sizes.every((d) => typeof d === 'number')) continue;
      const count = sizeOf(sizes as number[]);
      if (!isAbout(factor, node.op === 'Mul' ? 1 / count : count, editor.dtype(name))) continue;
      this.trail.add(node, sum);
      return { of: sum.inputs[0]!, axes };
    }
    if (node.op !== 'ReduceMean') return undefined;
    this.trail.add(node);
    const axes = axesOf(editor, node);
    return axes && { of: node.inputs[0]!, axes };
  }

  /** True for x minus its mean. */
  private isDifference(node: Node | undefined): boolean {
    if (node?.op !== 'Sub' || node.inputs[0] !== this.x) return false;
    const aligned = this.aligned(node.inputs[1]!);
    const mean = aligned === undefined ? undefined : this.meanOf(this.trail.beforeViews(aligned));
    if (mean?.of !== this.x || !isSame(mean.axes, this.axes)) return false;
    this.trail.add(node);
    return true;
  }

  /** The value that has x's shape with 1 along the axes, if it is that, expanded or not. */
  private aligned(name: string): string | undefined {
    return this.trail.withShape(name, keptShape(this.editor.shape(this.x), this.axes));
  }

  /** From the root to the last node of the normalisation. */
  private forward(
    root: Node,
    isInverse: boolean,
  ): Pick<LayerNormalizationPattern, 'scale' | 'bias' | 'last'> | undefined {
    let running = root.outputs[0]!;
    let last = root;
    let scale: string | undefined;
    let isDone = false;
    while (!isDone) {
      const reader = this.editor.onlyReader(running);
      if (!reader) return undefined;
      const divides = isPlain(reader, 'Div') && !isInverse && reader.inputs[1] === running;
      if (isPlain(reader, ...views, 'Expand')) {
        // Only the shape changes.
      } else if (isPlain(reader, 'Reciprocal') && !isInverse) isInverse = true;
      else if (divides && this.editor.scalar(reader.inputs[0]) === 1) isInverse = true;
      else {
        const multiplies = isPlain(reader, 'Mul') && isInverse;
        const other = multiplies ? otherInput(reader, running) : divides ? reader.inputs[0] : undefined;
        if (other === undefined || (!scale && this.aligned(running) === undefined)) return undefined;
        const isScale = multiplies && this.editor.constant(other) !== undefined;
        const scaled = isScale ? { scale: other } : this.scaledDifference(other);
        if (!scaled || (scale && scaled.scale)) return undefined;
        scale ??= scaled.scale;
        isDone = !isScale;
      }
      this.trail.add(reader);
      last = reader;
      running = reader.outputs[0]!;
    }
    if (scale !== undefined && !this.fits(scale)) return undefined;
    const product = scale === undefined ? this.operand(running, 'Mul') : undefined;
    if (product) [scale, last, running] = [product.other, product.node, product.node.outputs[0]!];
    const sum = this.operand(running, 'Add');
    return { scale, bias: sum?.other, last: sum?.node ?? last };
  }

  /** x minus its mean, perhaps times a constant. */
  private scaledDifference(name: string): { scale?: string } | undefined {
    if (this.isDifference(this.editor.madeBy(name, 'Sub'))) return {};
    const product = this.trail.take(name, 'Mul');
    for (const [value, constant] of product ? bothWays(product) : [])
      if (this.editor.constant(constant) && this.isDifference(this.editor.madeBy(value, 'Sub')))
        return { scale: constant };
    return undefined;
  }

  /** What the only reader multiplies or adds, if it can be a scale or bias. */
  private operand(running: string, op: string): { other: string; node: Node } | undefined {
    const node = this.editor.onlyReader(running);
    const other = node && isPlain(node, op) ? otherInput(node, running) : undefined;
    if (!node || other === undefined || !this.fits(other)) return undefined;
    this.trail.add(node);
    return { other, node };
  }

  /** True for what is constant along all axes but the normalised ones. */
  private fits(name: string): boolean {
    const [shape, own] = [this.editor.shape(this.x), this.editor.shape(name)];
    if (!this.editor.constant(name)) return sameShape(own, shape.slice(this.axes[0]!)) && isTrailing(this.axes, shape);
    return own.every((d, i) => {
      const axis = i - own.length + shape.length;
      return d === 1 || (this.axes.includes(axis) && d === shape[axis]);
    });
  }
}

function isSame(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((axis, i) => axis === b[i]);
}

export function isTrailing(axes: readonly number[], shape: Shape): boolean {
  return axes.every((axis, i) => axis === shape.length - axes.length + i);
}
