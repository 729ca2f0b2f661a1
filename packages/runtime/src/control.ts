/** If, Loop and Scan: the parts of a graph that are not straight lines. */

import { type Attributes, bindShape, byteLength, EspalierError, normalizeAxis, sizeOf, Tensor } from '@espalier/core';
import type { Control, Executable } from './executable.ts';
import type { Frame } from './frame.ts';

/** Runs a control-flow node and sets its outputs in `frame`. */
export async function runControl(frame: Frame, { assignment: { node, call }, branches }: Control): Promise<void> {
  const read = async (i: number): Promise<Tensor | undefined> =>
    node.inputs[i] ? frame.tensor(node.inputs[i], false) : undefined;
  const inputs: (Tensor | undefined)[] = [];
  for (let i = 0; i < node.inputs.length; i++) inputs.push(await read(i));
  let outputs: readonly Tensor[];
  if (node.op === 'If')
    outputs = await frame.runInner(branches.get(isTrue(inputs[0]) ? 'then_branch' : 'else_branch')!, []);
  else if (node.op === 'Loop') outputs = await runLoop(frame, branches.get('body')!, inputs, node.outputs);
  else outputs = await runScan(frame, branches.get('body')!, inputs as Tensor[], call.attrs, node.name);
  node.outputs.forEach((name, i) => {
    if (name !== '') frame.set(name, outputs[i]!);
  });
}

function isTrue(condition: Tensor | undefined): boolean {
  return condition === undefined || Boolean((condition.data as Uint8Array)[0]);
}

async function runLoop(
  frame: Frame,
  body: Executable,
  [trips, condition, ...initial]: readonly (Tensor | undefined)[],
  outputs: readonly string[],
): Promise<Tensor[]> {
  const limit = trips ? Number((trips.data as BigInt64Array)[0]) : Number.POSITIVE_INFINITY;
  let carried = initial as Tensor[];
  const scans: Tensor[][] = Array.from({ length: outputs.length - initial.length }, () => []);
  let more = isTrue(condition);
  const { slicer } = frame.options;
  for (let i = 0; more && i < limit; i++) {
    if (slicer.due) await slicer.pause();
    const iteration = new Tensor('int64', BigInt64Array.of(BigInt(i)), []);
    const results = await frame.runInner(body, [iteration, new Tensor('bool', Uint8Array.of(1), []), ...carried]);
    more = isTrue(results[0]);
    carried = results.slice(1, 1 + carried.length);
    scans.forEach((scan, s) => void scan.push(results[1 + carried.length + s]!));
  }
  return [
    ...carried,
    ...scans.map((scan, s) => stack(scan, 0, () => emptyElement(frame, body, 1 + carried.length + s))),
  ];
}

async function runScan(
  frame: Frame,
  body: Executable,
  inputs: readonly Tensor[],
  attrs: Attributes,
  node: string,
): Promise<Tensor[]> {
  const scanned = attrs.num_scan_inputs as number;
  const states = inputs.length - scanned;
  const sources = inputs.slice(states);
  const list = (name: string, length: number): readonly number[] =>
    (attrs[name] as readonly number[] | undefined) ?? new Array<number>(length).fill(0);
  const axes = list('scan_input_axes', scanned).map((axis, i) => normalizeAxis(axis, sources[i]!.dims.length));
  const reversed = list('scan_input_directions', scanned);
  const length = sources[0]!.dims[axes[0]!]!;
  sources.forEach((source, i) => {
    if (source.dims[axes[i]!] !== length)
      throw new EspalierError(
        'SHAPE_MISMATCH',
        `${node} (Scan): its scan inputs have ${length} and ${source.dims[axes[i]!]} elements`,
        { node },
      );
  });
  let carried = inputs.slice(0, states);
  const results: Tensor[][] = Array.from({ length: body.planned.graph.outputs.length - states }, () => []);
  const { slicer } = frame.options;
  for (let i = 0; i < length; i++) {
    if (slicer.due) await slicer.pause();
    const elements = sources.map((source, s) => take(source, axes[s]!, reversed[s] ? length - 1 - i : i));
    const outputs = await frame.runInner(body, [...carried, ...elements]);
    carried = outputs.slice(0, states);
    results.forEach((result, r) => void result.push(outputs[states + r]!));
  }
  const outputAxes = list('scan_output_axes', results.length);
  const outputReversed = list('scan_output_directions', results.length);
  return [
    ...carried,
    ...results.map((result, r) =>
      stack(outputReversed[r] ? result.reverse() : result, outputAxes[r]!, () => emptyElement(frame, body, states + r)),
    ),
  ];
}

/** The type of one element of a scan output that no iteration has made. */
function emptyElement(frame: Frame, body: Executable, output: number): Tensor {
  const facts = body.facts(body.planned.graph.outputs[output]!) ?? frame.facts(body.planned.graph.outputs[output]!);
  const dims = bindShape(
    facts.shape.map((d) => (typeof d === 'string' && frame.at[d] === undefined ? 0 : d)),
    frame.at,
  );
  return Tensor.fromBytes(facts.dtype, new Uint8Array(byteLength(facts.dtype, sizeOf(dims))), dims);
}

/** Slice `index` along `axis`, that axis dropped. */
function take(tensor: Tensor, axis: number, index: number): Tensor {
  const dims = tensor.dims.filter((_, i) => i !== axis);
  const extent = tensor.dims[axis]!;
  const inner = tensor.dims.slice(axis + 1).reduce((a, b) => a * b, 1);
  const outer = tensor.dims.slice(0, axis).reduce((a, b) => a * b, 1);
  const source = tensor.data as Uint8Array;
  const target = source.slice(0, outer * inner);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < inner; i++) target[o * inner + i] = source[(o * extent + index) * inner + i]!;
  return new Tensor(tensor.type, target, dims);
}

/** Tensors of one shape joined along a new axis. */
function stack(tensors: readonly Tensor[], at: number, empty: () => Tensor): Tensor {
  const first = tensors[0] ?? empty();
  const axis = normalizeAxis(at, first.dims.length + 1);
  for (const { dims } of tensors) {
    if (String(dims) !== String(first.dims))
      throw new EspalierError(
        'SHAPE_MISMATCH',
        `the iterations give elements of [${first.dims}] and [${dims}] for one output`,
      );
  }
  const dims = [...first.dims.slice(0, axis), tensors.length, ...first.dims.slice(axis)];
  const inner = first.dims.slice(axis).reduce((a, b) => a * b, 1);
  const outer = first.dims.slice(0, axis).reduce((a, b) => a * b, 1);
  const data = first.data as Uint8Array;
  const target = new (data.constructor as Uint8ArrayConstructor)(outer * tensors.length * inner);
  tensors.forEach((tensor, t) => {
    const source = tensor.data as Uint8Array;
    for (let o = 0; o < outer; o++)
      for (let i = 0; i < inner; i++) target[(o * tensors.length + t) * inner + i] = source[o * inner + i]!;
  });
  return new Tensor(first.type, target, dims);
}
