/**
 * A transposed convolution is a convolution that computes, for each position of its input, all elements of the result that lie between
 * this position and the next one as channels, which then take their places (Shi et al., 2016, "Is the deconvolution layer the same as a
 * convolutional layer?").
 */

import { type Dim, dim, type Node, sizeOf, Tensor, transposedWindow } from '@espalier/core';
import { Chain } from '../rewrite/chain.ts';
import { Editor, isPlain } from '../rewrite/editor.ts';
import { elementAt, tensorOf } from '../rewrite/values.ts';
import type { Pass } from './pass.ts';

export const writeTransposedConvolutions: Pass = {
  name: 'write-transposed-convolutions',
  summary: 'writes ConvTranspose as Conv, of whose channels the result is put together',
  run(graph, context) {
    const editor = new Editor(graph, context);
    for (const node of editor.nodes()) if (isPlain(node, 'ConvTranspose')) write(editor, node);
    return editor.finish();
  },
};

/** One axis of the convolution: position `j` of its result holds elements `stride * (first + j)` and behind of what is not yet cropped. */
interface Axis {
  /** Of the transposed convolution. */
  readonly taps: number;
  readonly stride: number;
  readonly dilation: number;
  /** Of the convolution. */
  readonly kernel: number;
  readonly spread: number;
  readonly pads: readonly [before: number, after: number];
  readonly positions: Dim;
  /** Elements left out before and after. */
  readonly crop: readonly [before: number, after: number];
}

function axisOf(size: Dim, taps: number, stride: number, dilation: number, begin: Dim, output: Dim): Axis | undefined {
  if (typeof begin !== 'number') return undefined;
  const kernel = stride === 1 ? taps : Math.ceil(((taps - 1) * dilation + 1) / stride);
  const spread = stride === 1 ? dilation : 1;
  const reach = (kernel - 1) * spread;
  const first = Math.min(Math.floor(begin / stride), reach);
  const beyond = dim.sub(dim.add(output, begin), dim.mul(size, stride));
  if (typeof beyond !== 'number') return undefined;
  const after = Math.max(0, Math.ceil(beyond / stride));
  const positions = dim.sub(dim.add(size, after), first);
  // A convolution has windows of which its results are; of a size that is open there may be as little as one position.
  if (typeof positions === 'number' ? positions < 1 : after < first) return undefined;
  const before = begin - stride * first;
  const behind = dim.sub(dim.mul(positions, stride), dim.add(output, before));
  if (typeof behind !== 'number') return undefined;
  return {
    ...{ taps, stride, dilation, kernel, spread, positions },
    pads: [reach - first, after],
    crop: [before, behind],
  };
}

function write(editor: Editor, node: Node): void {
  const [x, w, b] = node.inputs as [string, string, string?];
  const weight = editor.constant(w);
  const bias = editor.constant(b);
  if (!weight || (b && !bias)) return;
  const [batch, , ...spatial] = editor.shape(x) as [Dim, Dim, ...Dim[]];
  const groups = (node.attrs['group'] as number | undefined) ?? 1;
  const { kernel, strides, dilations, begin, output } = transposedWindow(node.attrs, spatial, weight.dims.slice(2));
  const axes = spatial.map((size, i) => {
    return axisOf(size, kernel[i] as number, strides[i]!, dilations[i]!, begin[i]!, output[i]!);
  });
  if (!axes.every((axis) => axis !== undefined)) return;
  const filters = groups * weight.dims[1]!;
  const perPosition = sizeOf(strides);
  const positions = axes.map((axis) => axis.positions);
  const apart = [batch, filters, ...strides, ...positions];
  const together = [batch, filters, ...axes.map((axis) => dim.mul(axis.positions, axis.stride))];
  if (perPosition > 1 && !(editor.isGlobal(apart) && editor.isGlobal(together))) return;

  const chain = new Chain(editor, node.name);
  const operands = [x, chain.constant(filtersOf(weight, groups, axes))];
  if (bias) operands.push(chain.constant(repeated(bias, perPosition)));
  let running = chain.add('Conv', operands, {
    group: groups,
    dilations: axes.map((axis) => axis.spread),
    pads: [...axes.map((axis) => axis.pads[0]), ...axes.map((axis) => axis.pads[1])],
  });
  if (perPosition > 1) {
    const perm = [0, 1, ...axes.flatMap((_, i) => [2 + axes.length + i, 2 + i])];
    running = chain.add('Reshape', [running], { shape: apart });
    running = chain.add('Transpose', [running], { perm });
    running = chain.add('Reshape', [running], { shape: together });
  }
  if (axes.some(({ crop }) => crop.some((count) => count > 0))) {
    // Sizes that are open stay what they are by Pad, where Slice would have to clamp them.
    const pads = [0, 1].flatMap((side) => [0, 0, ...axes.map(({ crop }) => -crop[side]!)]);
    chain.add('Pad', [running, chain.constant(new Tensor('int64', pads, [pads.length]))], { mode: 'constant' });
  }
  chain.replace(node);
}

/** Filters `[groups * M * strides, C / groups, ...]` from weights `[C, M, ...]`: those of the elements of a position next to each other. */
function filtersOf(weight: Tensor, groups: number, axes: readonly Axis[]): Tensor {
  const [channels, perGroup] = weight.dims as [number, number];
  const inputs = channels / groups;
  const [strides, kernel, taps] = [
    axes.map((axis) => axis.stride),
    axes.map((axis) => axis.kernel),
    axes.map((axis) => axis.taps),
  ];
  const dims = [groups * perGroup * sizeOf(strides), inputs, ...kernel];
  const elements = new Float64Array(sizeOf(dims));
  /** For each place in a kernel and element of a position the weight's, or -1. */
  const places = indices(strides).map((element) =>
    indices(kernel).map((place) => {
      let at = 0;
      for (const [i, axis] of axes.entries()) {
        const tap =
          (axis.stride * (axis.kernel - 1 - place[i]!) + element[i]!) / (axis.stride === 1 ? 1 : axis.dilation);
        if (!Number.isInteger(tap) || tap >= axis.taps) return -1;
        at = at * axis.taps + tap;
      }
      return at;
    }),
  );
  let to = 0;
  for (let filter = 0; filter < groups * perGroup; filter++) {
    const [group, inGroup] = [Math.floor(filter / perGroup), filter % perGroup];
    for (const row of places)
      for (let c = 0; c < inputs; c++) {
        const from = ((group * inputs + c) * perGroup + inGroup) * sizeOf(taps);
        for (const place of row) elements[to++] = place < 0 ? 0 : elementAt(weight, from + place);
      }
  }
  return tensorOf(weight.type, dims, elements);
}

/** All index lists below `extents`, in row-major order. */
function indices(extents: readonly number[]): number[][] {
  return extents.reduce<number[][]>(
    (lists, extent) => lists.flatMap((list) => Array.from({ length: extent }, (_, i) => [...list, i])),
    [[]],
  );
}

function repeated(bias: Tensor, times: number): Tensor {
  const elements = Float64Array.from({ length: bias.size * times }, (_, i) => elementAt(bias, Math.floor(i / times)));
  return tensorOf(bias.type, [elements.length], elements);
}
