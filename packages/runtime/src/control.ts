/** What the runtime does itself: If, Loop, Scan and SequenceMap, the parts of a graph that are not straight lines, and sequences. */

import {
  type Attributes,
  atNode,
  bindShape,
  EspalierError,
  isSequence,
  normalizeAxis,
  runGenerator,
  Tensor,
  type Value,
} from '@espalier/core';
import type { Control, Executable } from './executable.ts';
import type { Frame } from './frame.ts';
import { sequenceOp, slice, stack } from './sequence.ts';

/** Runs such a node and sets its outputs in `frame`. */
export async function runControl(frame: Frame, control: Control): Promise<void> {
  const { node, call } = control.task;
  const inputs: (Value | undefined)[] = [];
  for (const name of node.inputs) inputs.push(name === '' ? undefined : await frame.value(name, false));
  let outputs: readonly Value[];
  try {
    outputs = await outputsOf(frame, control, inputs);
  } catch (error) {
    throw atNode(call, error);
  }
  node.outputs.forEach((name, i) => {
    if (name !== '') frame.set(name, outputs[i]!);
  });
}

async function outputsOf(
  frame: Frame,
  { task: { node, call }, branches }: Control,
  inputs: readonly (Value | undefined)[],
): Promise<readonly Value[]> {
  const body = branches.get('body')!;
  switch (node.op) {
    case 'If':
      return frame.runInner(branches.get(isTrue(inputs[0]) ? 'then_branch' : 'else_branch')!, []);
    case 'Loop':
      return runLoop(frame, body, inputs, node.outputs);
    case 'Scan':
      return runScan(frame, body, inputs as Tensor[], call.attrs);
    case 'SequenceMap':
      return runMap(frame, body, inputs as Value[]);
    default:
      return [await runGenerator(sequenceOp(node.op, inputs, call.attrs), frame.options.slicer)];
  }
}

function isTrue(condition: Value | undefined): boolean {
  return condition === undefined || Boolean(((condition as Tensor).data as Uint8Array)[0]);
}

async function runLoop(
  frame: Frame,
  body: Executable,
  [trips, condition, ...initial]: readonly (Value | undefined)[],
  outputs: readonly string[],
): Promise<Value[]> {
  const limit = trips ? Number(((trips as Tensor).data as BigInt64Array)[0]) : Number.POSITIVE_INFINITY;
  let carried = initial as Value[];
  const scans: Tensor[][] = Array.from({ length: outputs.length - initial.length }, () => []);
  let more = isTrue(condition);
  const { slicer } = frame.options;
  for (let i = 0; more && i < limit; i++) {
    if (slicer.due) await slicer.pause();
    const iteration = new Tensor('int64', BigInt64Array.of(BigInt(i)), []);
    const results = await frame.runInner(body, [iteration, new Tensor('bool', Uint8Array.of(1), []), ...carried]);
    more = isTrue(results[0]);
    carried = results.slice(1, 1 + carried.length);
    scans.forEach((scan, s) => void scan.push(results[1 + carried.length + s] as Tensor));
  }
  const stacked: Tensor[] = [];
  for (const [s, scan] of scans.entries()) stacked.push(await stackScan(frame, body, 1 + carried.length + s, scan, 0));
  return [...carried, ...stacked];
}

async function runScan(frame: Frame, body: Executable, inputs: readonly Tensor[], attrs: Attributes): Promise<Value[]> {
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
      throw new EspalierError('SHAPE_MISMATCH', `its scan inputs have ${length} and ${source.dims[axes[i]!]} elements`);
  });
  let carried: Value[] = inputs.slice(0, states);
  const results: Tensor[][] = Array.from({ length: body.planned.graph.outputs.length - states }, () => []);
  const { slicer } = frame.options;
  for (let i = 0; i < length; i++) {
    if (slicer.due) await slicer.pause();
    const elements = sources.map((source, s) => {
      const at = reversed[s] ? length - 1 - i : i;
      return slice(source, axes[s]!, at, at + 1).reshape(source.dims.toSpliced(axes[s]!, 1));
    });
    const outputs = await frame.runInner(body, [...carried, ...elements]);
    carried = outputs.slice(0, states);
    results.forEach((result, r) => void result.push(outputs[states + r] as Tensor));
  }
  const outputAxes = list('scan_output_axes', results.length);
  const outputReversed = list('scan_output_directions', results.length);
  const stacked: Tensor[] = [];
  for (const [r, result] of results.entries()) {
    const inOrder = outputReversed[r] ? result.reverse() : result;
    stacked.push(await stackScan(frame, body, states + r, inOrder, outputAxes[r]!));
  }
  return [...carried, ...stacked];
}

async function runMap(frame: Frame, body: Executable, inputs: readonly Value[]): Promise<Tensor[][]> {
  const lengths = inputs.filter(isSequence).map((sequence) => sequence.length);
  if (new Set(lengths).size > 1)
    throw new EspalierError('SHAPE_MISMATCH', `its sequences have ${lengths.join(' and ')} tensors`);
  const results: Tensor[][] = body.planned.graph.outputs.map(() => []);
  const { slicer } = frame.options;
  for (let i = 0; i < lengths[0]!; i++) {
    if (slicer.due) await slicer.pause();
    const outputs = await frame.runInner(
      body,
      inputs.map((input) => (isSequence(input) ? input[i]! : input)),
    );
    results.forEach((result, r) => void result.push(outputs[r] as Tensor));
  }
  return results;
}

/** What iterations have made for one output, stacked. */
async function stackScan(
  frame: Frame,
  body: Executable,
  output: number,
  tensors: readonly Tensor[],
  axis: number,
): Promise<Tensor> {
  if (tensors.length > 0) return runGenerator(stack(tensors, axis), frame.options.slicer);
  // Where no iteration was run, the type that the plan tells; sizes that only iterations know are 0.
  const name = body.planned.graph.outputs[output]!;
  const { dtype, shape } = body.facts(name) ?? frame.facts(name);
  const element = bindShape(
    shape.map((d) => (typeof d === 'string' && frame.at[d] === undefined ? 0 : d)),
    frame.at,
  );
  const dims = element.toSpliced(normalizeAxis(axis, element.length + 1), 0, 0);
  return dtype === 'string' ? new Tensor(dtype, [], dims) : Tensor.fromBytes(dtype, new Uint8Array(0), dims);
}
