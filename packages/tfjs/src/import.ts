/** From a TensorFlow.js graph model to a graph in ONNX's ops. */

import {
  type Dim,
  EspalierError,
  type Graph,
  hasCode,
  type OpTable,
  onnxOps,
  type Tensor,
  UnsupportedError,
} from '@espalier/core';
import { Builder } from './builder.ts';
import { type Fail, parseModel, type Ref, type TfModel, type TfNode } from './graphdef.ts';
import { translators } from './ops/index.ts';
import { Translation, type Translator } from './translation.ts';
import { type LoadShard, readWeights, unsupportedWeights } from './weights.ts';

export interface ImportOptions {
  /** The file's name, for messages. */
  readonly file?: string;
  /** The ops that nodes may use; all of ONNX's that Espalier knows when absent. */
  readonly ops?: OpTable;
  readonly signal?: AbortSignal;
}

export interface TfjsModel {
  readonly graph: Graph;
}

/**
 * Imports a graph model. Inputs and outputs have the names of its signature, or of its nodes where it has none; sizes that
 * vary become symbols (`input_0` for axis 0 of `input`). Integers are 32 bits wide and floats too, as tfjs has them.
 *
 * @param json the parsed `model.json`
 * @param loadShard reads a file of weights by its path beside `model.json`
 * @throws UnsupportedError listing every node and weight that cannot be translated
 * @throws EspalierError `BAD_FILE` where the model is malformed, `BAD_GRAPH` or `SHAPE_MISMATCH` where its nodes do not fit each other, `ABORTED`
 */
export async function importTfjs(json: unknown, loadShard: LoadShard, options: ImportOptions = {}): Promise<TfjsModel> {
  const { file = 'model.json', ops = onnxOps, signal } = options;
  const fail: Fail = (message) => {
    throw new EspalierError('BAD_FILE', `${file} ${message}`, { file });
  };
  const model = parseModel(json, fail);
  const outputs = outputsOf(model);
  if (outputs.length === 0) fail('has a graph without outputs');
  const { order, cycle } = sortNodes(
    model,
    outputs.map(({ ref }) => ref),
    fail,
  );
  const unknown = order
    .filter(({ op }) => !isSource(op) && !translators.has(op))
    .map((node) => `${node.name}: no op ${node.op}`);
  const unreadable = unsupportedWeights(model.groups);
  // Loops of TensorFlow 1 are cycles of ops that are not translated: then these are what is wrong.
  if (cycle !== undefined && unknown.length === 0) fail(`has a cycle through the node "${cycle}"`);
  if (cycle !== undefined || unreadable.length > 0) throw unsupported(file, [...unreadable, ...unknown]);
  const weights = await readWeights(model.groups, loadShard, fail, signal);
  return { graph: new Importer(model, weights, ops, file, fail).run(order, outputs) };
}

/** Nodes that read nothing. */
function isSource(op: string): boolean {
  return op === 'Const' || op === 'Placeholder';
}

interface Output {
  readonly name: string;
  readonly ref: Ref;
}

/** Those of the signature; else the nodes that nobody reads. */
function outputsOf(model: TfModel): readonly Output[] {
  if (model.outputs) return model.outputs;
  const read = new Set([...model.nodes.values()].flatMap((node) => node.inputs.map((input) => input.node)));
  return [...model.nodes.values()]
    .filter(({ name, op }) => !read.has(name) && !isSource(op) && op !== 'NoOp' && op !== 'Assert')
    .map(({ name }) => ({ name, ref: { node: name, index: 0 } }));
}

/** The nodes that the outputs need, each after those that it reads. */
function sortNodes(
  model: TfModel,
  outputs: readonly Ref[],
  fail: Fail,
): { order: TfNode[]; cycle: string | undefined } {
  const order: TfNode[] = [];
  const state = new Map<string, 'open' | 'done'>();
  let cycle: string | undefined;
  const stack: { node: TfNode; next: number }[] = [];
  const open = ({ node: name }: Ref, reader: string): void => {
    if (state.get(name) === 'open') cycle = name;
    if (state.has(name)) return;
    const node = model.nodes.get(name) ?? fail(`has ${reader} that reads the node "${name}", which is missing`);
    state.set(name, 'open');
    stack.push({ node, next: 0 });
  };
  for (const output of outputs) {
    open(output, 'an output');
    for (let top = stack.at(-1); top; top = stack.at(-1)) {
      const input = top.node.inputs[top.next++];
      if (input) open(input, `a node "${top.node.name}"`);
      else {
        state.set(top.node.name, 'done');
        order.push(top.node);
        stack.pop();
      }
    }
  }
  return { order, cycle };
}

function unsupported(file: string, reasons: readonly string[]): UnsupportedError {
  return new UnsupportedError(
    `${reasons.length} node(s) or weight(s) of ${file} are not supported:\n  ${reasons.join('\n  ')}`,
    reasons,
    { file },
  );
}

class Importer {
  private readonly model: TfModel;
  private readonly weights: ReadonlyMap<string, Tensor>;
  private readonly file: string;
  private readonly fail: Fail;
  private readonly builder: Builder;
  /** By node: the values of its outputs. A node that is missing could not be translated. */
  private readonly values = new Map<string, readonly (string | undefined)[]>();
  private readonly symbols = new Set<string>();
  private readonly reasons: string[] = [];

  constructor(model: TfModel, weights: ReadonlyMap<string, Tensor>, ops: OpTable, file: string, fail: Fail) {
    this.model = model;
    this.weights = weights;
    this.file = file;
    this.fail = fail;
    const reserved = [...(model.inputs ?? []), ...outputsOf(model)].map((port) => port.name);
    this.builder = new Builder(ops, reserved);
  }

  run(order: readonly TfNode[], outputs: readonly Output[]): Graph {
    for (const port of this.model.inputs ?? []) {
      const node =
        this.model.nodes.get(port.ref.node) ?? this.fail(`has the input "${port.name}", whose node is missing`);
      if (port.ref.index !== 0 || this.values.has(node.name))
        this.fail(`has the input "${port.name}", which is not a placeholder of its own`);
      this.addInput(node, port.name, port.dtype, port.shape);
    }
    for (const node of order) this.translate(node);
    if (this.reasons.length > 0) throw unsupported(this.file, this.reasons);
    return this.builder.finish(
      this.file.split(/[\\/]/).at(-1)!,
      outputs.map(({ name, ref }) => [
        name,
        this.read(ref) ?? this.fail(`has the output "${name}", which its node does not have`),
      ]),
    );
  }

  private read({ node, index }: Ref): string | undefined {
    return this.values.get(node)?.[index];
  }

  private addInput(
    node: TfNode,
    name: string,
    dtype = node.attrs.dtype('dtype'),
    shape = node.attrs.shape('shape'),
  ): void {
    if (dtype && shape) {
      const dims = shape.map((size, axis): Dim => (size === -1 ? this.symbol(`${name}_${axis}`) : size));
      this.values.set(node.name, [this.builder.input({ name, dtype, shape: dims })]);
    } else this.reasons.push(`${node.name}: an input of ${dtype ? 'unknown rank' : 'a dtype that is not supported'}`);
  }

  private symbol(text: string): string {
    let symbol = text.replace(/[^A-Za-z0-9_]/g, '_').replace(/^(?=\d)/, '_');
    while (this.symbols.has(symbol)) symbol += '_';
    this.symbols.add(symbol);
    return symbol;
  }

  private translate(node: TfNode): void {
    if (this.values.has(node.name)) return;
    const { name, op } = node;
    const translator = translators.get(op);
    if (op === 'Placeholder') this.addInput(node, name);
    else if (op === 'Const') {
      const tensor = this.weights.get(name) ?? this.fail(`has no weights for the node "${name}"`);
      this.values.set(name, [this.builder.constant(tensor, name)]);
    } else if (!translator) this.reasons.push(`${name}: no op ${op}`);
    else if (node.inputs.every((input) => this.values.has(input.node))) this.apply(translator, node);
  }

  private apply(translator: Translator, node: TfNode): void {
    const { name } = node;
    const inputs = node.inputs.map(
      (ref) =>
        this.read(ref) ?? this.fail(`has a node "${name}" that reads "${ref.node}:${ref.index}", which is missing`),
    );
    const c = new Translation(node, this.builder, inputs);
    try {
      const results = translator(c);
      const list = Array.isArray(results) ? results : [results];
      this.values.set(
        name,
        list.map((result) => (result === undefined ? undefined : c.value(result))),
      );
    } catch (error) {
      if (!hasCode(error, 'UNSUPPORTED')) throw error;
      const { reasons, message } = error as UnsupportedError;
      this.reasons.push(...(reasons.length > 0 ? reasons : [message]));
    }
  }
}
