/** A case made into a call: which sizes stay symbolic, which operands are constant, what they hold in each run. */

import {
  type Attributes,
  attributesOf,
  type Binding,
  bindShape,
  type Call,
  type Constants,
  callOf,
  constantFacts,
  type Dim,
  type DType,
  dim,
  dtypes,
  type EpilogueStep,
  formatShape,
  hasCode,
  inferNode,
  type Node,
  type OpSchema,
  type OpTable,
  paramAt,
  type Rejection,
  schemaOf,
  type Tensor,
  type ValueFacts,
} from '@espalier/core';
import { BINDINGS, type Case, type CaseInput, type TypeBinding } from './cases/define.ts';
import { countNonzeros, decode, encode } from './elements.ts';
import { type EpilogueChoice, epilogueFor } from './epilogue.ts';
import { Random } from './random.ts';
import { type Sparsity, sparsify } from './values.ts';

/** How a case is put to a kernel. */
export interface Choices {
  readonly seed: number;
  /** By index of the case's sizes: stays a symbol. */
  readonly symbolic: readonly boolean[];
  /** By index of input: given to `prepare`. */
  readonly constant: readonly boolean[];
  /** Integer operands that decide shapes are known only when run. */
  readonly hideShapes: boolean;
  readonly sparsity: Sparsity;
  readonly epilogue: readonly EpilogueChoice[];
}

export interface Instance {
  readonly node: Node;
  readonly call: Call;
  readonly constants: Constants;
  /** Symbols that inference made for sizes that only the run can know. */
  readonly fresh: readonly string[];
  /** The sizes of each run, fresh symbols left out. */
  readonly bindings: readonly Binding[];
  /** Operands of a run; made when first asked for. */
  inputs(run: number): readonly (Tensor | undefined)[];
  /** What a person needs to see of it. */
  readonly text: string;
}

/** A rejection where the op itself does not take the case (these dtypes, or shapes that are not known yet). */
export function instantiate(
  one: Case,
  types: TypeBinding,
  choices: Choices,
  schema: OpSchema,
  ops: OpTable,
): Instance | Rejection {
  const builder = new Builder(one, types, choices, schema, ops);
  try {
    return builder.build();
  } catch (error) {
    if (hasCode(error, 'UNSUPPORTED')) return { reason: (error as Error).message };
    const message = error instanceof Error ? error.message : error;
    throw new Error(`the case generator of ${schema.name} made a call that is none: ${builder.text}: ${message}`, {
      cause: error,
    });
  }
}

type Operand = CaseInput & { readonly dtype: DType };

class Builder {
  private readonly one: Case;
  private readonly choices: Choices;
  private readonly schema: OpSchema;
  private readonly ops: OpTable;
  private readonly operands: (Operand | undefined)[];
  private readonly constants: (Tensor | undefined)[] = [];
  private readonly facts = new Map<string, ValueFacts>();
  private readonly symbols: ReadonlySet<string>;

  constructor(one: Case, types: TypeBinding, choices: Choices, schema: OpSchema, ops: OpTable) {
    this.one = one;
    this.choices = choices;
    this.schema = schema;
    this.ops = ops;
    this.operands = one.inputs.map((input, i) => {
      const type = paramAt(schema.inputs, i)!.type;
      return input && { ...input, dtype: input.dtype ?? types[type] ?? (type as DType) };
    });
    this.symbols = this.chooseSymbols();
    for (const i of this.operands.keys()) this.know(i);
  }

  /** Written as it is known so far. */
  get text(): string {
    return describe(
      { op: this.schema.name, inputs: this.descs(), outputs: [], attrs: this.one.attrs ?? {}, epilogue: [] },
      this.constants,
    );
  }

  build(): Instance {
    const epilogue = this.addEpilogue();
    const node = this.node(epilogue);
    const inferred = inferNode(node, this.ops, (name) => this.facts.get(name));
    const call = callOf(node, this.ops, (name) => this.facts.get(name) ?? inferred.values.get(name));
    const runs = Array.from({ length: BINDINGS }, (_, run) => this.sizes(run));
    const tensors: (readonly (Tensor | undefined)[])[] = [];
    return {
      node,
      call,
      fresh: inferred.fresh,
      constants: this.constants.map((tensor) => tensor && constantOf(tensor)),
      bindings: runs.map((at) => Object.fromEntries([...this.symbols].map((name) => [name, at[name]!]))),
      inputs: (run) => {
        tensors[run] ??= this.operands.map((operand, i) => operand && (this.constants[i] ?? this.contents(i, run)));
        return tensors[run];
      },
      text: describe(call, this.constants),
    };
  }

  private isConstant(i: number): boolean {
    const operand = this.operands[i]!;
    const { constant, hideShapes } = this.choices;
    const decides = this.schema.shapeInputs?.includes(i) === true;
    return (decides && !operand.contents && !hideShapes) || constant[i % constant.length] === true;
  }

  /** A constant has one shape, so the sizes that it is made of are numbers; and so are those that follow from them. */
  private chooseSymbols(): Set<string> {
    const { symbolic } = this.choices;
    const { linked = [] } = this.one;
    const symbols = new Set(Object.keys(this.one.sizes).filter((_, i) => symbolic[i % symbolic.length]));
    this.operands.forEach((operand, i) => {
      if (!operand || !this.isConstant(i)) return;
      const { shape, contents = [], within = [] } = operand;
      for (const name of [...shape, ...contents, ...within].flatMap(dim.symbols)) symbols.delete(name);
    });
    for (const group of linked) {
      if (group.every((name) => symbols.has(name))) continue;
      for (const name of group) symbols.delete(name);
    }
    return symbols;
  }

  private sizes(run: number): Binding {
    const { sizes } = this.one;
    return Object.fromEntries(
      Object.entries(sizes).map(([name, values]) => [name, values[this.symbols.has(name) ? run : 0]!]),
    );
  }

  /** Says what the call knows of operand `i`. */
  private know(i: number): void {
    const operand = this.operands[i];
    if (!operand) return;
    if (this.isConstant(i) && operand.shape.flatMap(dim.symbols).every((name) => !this.symbols.has(name))) {
      const tensor = this.contents(i, 0);
      this.constants[i] = operand.weight ? sparsify(tensor, this.choices.sparsity, this.random(i, 0)) : tensor;
      this.facts.set(`i${i}`, constantFacts(this.constants[i]));
      return;
    }
    const contents = operand.contents && { contents: this.known(operand.contents) };
    this.facts.set(`i${i}`, { dtype: operand.dtype, shape: this.known(operand.shape), ...contents });
  }

  /** Follows from the seed alone, whatever else was asked for before. */
  private random(i: number, run: number): Random {
    return new Random(this.choices.seed + 1000 * run + i);
  }

  private contents(i: number, run: number): Tensor {
    const { dtype, shape, values } = this.operands[i]!;
    const at = this.sizes(run);
    const dims = bindShape(shape, at);
    return encode(dtype, dims, values({ dtype, dims, at, random: this.random(i, run) }));
  }

  private addEpilogue(): readonly EpilogueStep[] {
    const { epilogue } = this.choices;
    if (epilogue.length === 0) return [];
    const { values } = inferNode(this.node([]), this.ops, (name) => this.facts.get(name));
    // Beyond the op's own parameters, so that none is taken for one that is left out.
    while (this.operands.length < this.schema.inputs.length) this.operands.push(undefined);
    const { steps, inputs } = epilogueFor(epilogue, values.get('o0')!, this.operands.length);
    for (const input of inputs) {
      this.operands.push(input as Operand);
      this.know(this.operands.length - 1);
    }
    return steps;
  }

  private node(epilogue: readonly EpilogueStep[]): Node {
    const { outputs } = this.one;
    const wanted = outputs ?? this.schema.outputs.filter((param) => !param.optional).map(() => true);
    return {
      name: 'case',
      op: this.schema.name,
      domain: this.schema.domain,
      inputs: this.operands.map((operand, i) => (operand ? `i${i}` : '')),
      outputs: wanted.map((isWanted, i) => (isWanted ? `o${i}` : '')),
      attrs: this.attributes(),
      ...(epilogue.length > 0 ? { epilogue } : {}),
    };
  }

  /** Sizes in attributes are known as far as those of operands. */
  private attributes(): Attributes {
    const entries = Object.entries(this.one.attrs ?? {}).map(([name, value]) => {
      const isDims = this.schema.attributes[name]?.type === 'dims';
      return [name, isDims ? this.known(value as readonly Dim[]) : value];
    });
    return Object.fromEntries(entries);
  }

  /** Sizes with those put in that are not symbols. */
  private known(dims: readonly Dim[]): Dim[] {
    const all = this.sizes(0);
    const numbers = Object.fromEntries(Object.entries(all).filter(([name]) => !this.symbols.has(name)));
    return dims.map((d) => dim.substitute(d, numbers));
  }

  private descs(): Call['inputs'] {
    return this.operands.map((_, i) => this.facts.get(`i${i}`));
  }
}

/** The node with attributes that hold sizes worked out for run `run`. */
export function nodeAt({ node, bindings }: Instance, schema: OpSchema, run: number): Node {
  const at = bindings[run]!;
  const entries = Object.entries(node.attrs).map(([name, value]) => {
    const isDims = schema.attributes[name]?.type === 'dims';
    return [name, isDims ? bindShape(value as readonly Dim[], at) : value];
  });
  return { ...node, attrs: Object.fromEntries(entries) };
}

/** The call with the shapes of run `run`, as kernels that have `evaluate` get it. */
export function callAt(instance: Instance, run: number, ops: OpTable): Call {
  const { call, inputs } = instance;
  const schema = schemaOf(ops, call)!;
  return {
    ...call,
    attrs: attributesOf(schema, nodeAt(instance, schema, run)),
    inputs: call.inputs.map((desc, i) => desc && { ...desc, shape: inputs(run)[i]!.dims }),
  };
}

/** The symbols of one run, those that only its results tell among them. */
export function bindFresh(instance: Instance, run: number, outputs: readonly (Tensor | undefined)[]): Binding {
  const at: Record<string, number> = { ...instance.bindings[run] };
  instance.call.outputs.forEach((desc, i) => {
    desc?.shape.forEach((d, axis) => {
      if (typeof d === 'string' && instance.fresh.includes(d)) at[d] = outputs[i]!.dims[axis]!;
    });
  });
  return at;
}

function constantOf(tensor: Tensor): Constants[number] {
  return { tensor, structure: { elements: tensor.size, nonzeros: countNonzeros(tensor) } };
}

function describe(call: Omit<Call, 'node' | 'domain'>, constants: readonly (Tensor | undefined)[]): string {
  const operand = (desc: Call['inputs'][number], i: number): string => {
    if (!desc) return '-';
    const tensor = constants[i];
    const known = tensor ? ` constant${contents(tensor)}` : '';
    return `${desc.dtype}${formatShape(desc.shape)}${known}`;
  };
  const outputs = call.outputs.map((desc) => (desc ? `${desc.dtype}${formatShape(desc.shape)}` : '-'));
  const epilogue = call.epilogue.map(
    ({ op, inputs, position, attrs }) =>
      ` then ${op}(${inputs.map((i) => `input ${i}`).join(', ')}${position ? `; running value at ${position}` : ''})${attributes(attrs)}`,
  );
  return `${call.op}(${call.inputs.map(operand).join(', ')}) -> ${outputs.join(', ')}${attributes(call.attrs)}${epilogue.join('')}`;
}

function attributes(attrs: Call['attrs']): string {
  const plain = Object.entries(attrs).map(([name, value]) => [
    name,
    isTensor(value) ? `${value.type}[${value.dims}]` : value,
  ]);
  return plain.length > 0 ? ` ${JSON.stringify(Object.fromEntries(plain))}` : '';
}

const isTensor = (value: unknown): value is Tensor => typeof value === 'object' && value !== null && 'dims' in value;

function contents(tensor: Tensor): string {
  if (tensor.size <= 8) return ` [${Array.from(decode(tensor), String).join(', ')}]`;
  const zeros = tensor.size - countNonzeros(tensor);
  return dtypes[tensor.type].kind === 'string' || zeros === 0
    ? ''
    : ` with ${((100 * zeros) / tensor.size).toFixed(0)} % zeros`;
}
