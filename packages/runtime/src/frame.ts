/** One run of an executable: its symbols' values, and where each tensor is. */

import {
  type Attributes,
  bindShape,
  constantFacts,
  type Dim,
  dim,
  EspalierError,
  inferNode,
  isSequence,
  type RunOptions,
  runGenerator,
  type Slicer,
  type Slot,
  schemaOf,
  Tensor,
  throwIfAborted,
  type Value,
  type ValueFacts,
} from '@espalier/core';
import { type Bindings, bindFeeds, type Feeds, unify } from './bind.ts';
import { copyOf, toBuffer } from './constants.ts';
import { runControl } from './control.ts';
import { bytesOf, type Evaluation, type Executable, type Region, type ShapeQuestion, type Task } from './executable.ts';
import { allocate, type Kept } from './pool.ts';

/** What one node of a run took. */
export interface NodeTiming {
  readonly node: string;
  readonly op: string;
  readonly backend: string;
  readonly kernel: string;
  readonly seconds: number;
}

export interface FrameOptions {
  readonly signal?: AbortSignal | undefined;
  readonly slicer: Slicer;
  onNode?(timing: NodeTiming): void;
}

interface Place {
  tensor: Tensor | undefined;
  readonly slots: (Slot<unknown> | undefined)[];
}

export class Frame {
  readonly executable: Executable;
  readonly at: Bindings;
  readonly options: FrameOptions;
  private readonly parent: Frame | undefined;
  private readonly places = new Map<string, Place>();
  /** Values that are no tensors. */
  private readonly containers = new Map<string, Value>();
  private readonly arenas: (Kept | undefined)[];
  private readonly offsets: readonly ReadonlyMap<string, number>[];
  private readonly extra: { backend: number; buffer: unknown }[] = [];
  /** What the plan takes for granted and this run has not shown yet. */
  private assumed: Executable['planned']['inferred']['assumed'];

  constructor(executable: Executable, feeds: Feeds, at: Bindings, options: FrameOptions, parent?: Frame) {
    this.executable = executable;
    this.at = at;
    this.options = options;
    this.parent = parent;
    for (const { name, container } of executable.planned.graph.inputs) {
      const value = feeds.get(name) ?? null;
      if (container) this.containers.set(name, value);
      else this.places.set(name, { tensor: value as Tensor, slots: [] });
    }
    this.assumed = executable.planned.inferred.assumed;
    this.checkAssumptions();
    const layouts = executable.layout(at);
    this.offsets = layouts.map((layout) => layout.offsets);
    this.arenas = layouts.map(({ bytes }, b) => (bytes > 0 ? executable.arenas[b]!.take(bytes) : undefined));
  }

  /** Runs every unit in order and gives the graph's outputs, as copies. */
  async run(outputs: readonly string[]): Promise<Value[]> {
    const { slicer, signal } = this.options;
    for (const [i, unit] of this.executable.units.entries()) {
      throwIfAborted(signal);
      // What other threads took has used the slice up, too, so there is no turn to be waited for when all is done.
      if ((i > 0 || this.parent) && slicer.due) await slicer.pause();
      if (unit.kind === 'region') await this.runRegion(unit);
      else if (unit.kind === 'shapes') await this.askShapes(unit);
      else if (unit.kind === 'evaluate') await this.runEvaluation(unit);
      else await this.timed(unit.task, 'runtime', 'control', () => runControl(this, unit));
    }
    const results: Value[] = [];
    for (const name of outputs) results.push(await this.value(name, true));
    return results;
  }

  /** Checks the assumptions about sizes that are known by now; kernels trust them. */
  private checkAssumptions(): void {
    this.assumed = this.assumed.filter((assumption) => {
      const { kind, a, b, node } = assumption;
      if (![a, b].every((d) => dim.symbols(d).every((symbol) => this.at[symbol] !== undefined))) return true;
      if (!dim.holds(assumption, this.at)) {
        const [x, y] = [a, b].map((d) => (typeof d === 'number' ? d : `${d} = ${dim.evaluate(d, this.at)}`));
        const how = kind === 'equal' ? 'must be equal' : 'must be equal, or one of them 1';
        throw new EspalierError('SHAPE_MISMATCH', `${node}: ${x} and ${y} ${how}`, { node });
      }
      return false;
    });
  }

  /** Runs a body of control flow, which sees this frame's values, and gives its outputs. */
  async runInner(body: Executable, inputs: readonly Value[]): Promise<Value[]> {
    const { graph } = body.planned;
    const feeds = new Map(graph.inputs.map((input, i) => [input.name, inputs[i]!]));
    const at: Bindings = { ...this.at };
    // What the body's own sizes were in the iteration before must not bind those of this one.
    for (const input of graph.inputs)
      for (const d of input.shape) if (typeof d === 'string' && d.startsWith('_')) delete at[d];
    bindFeeds(graph.inputs, feeds, at);
    const inner = new Frame(body, feeds, at, this.options, this);
    try {
      return await inner.run(graph.outputs);
    } finally {
      inner.release();
    }
  }

  /** Gives the memory back. */
  release(): void {
    this.arenas.forEach((arena, b) => {
      if (arena) this.executable.arenas[b]!.give(arena);
    });
    for (const { backend, buffer } of this.extra) this.executable.backends[backend]!.free(buffer);
  }

  /** The type of a value of this graph or of one around it. */
  facts(name: string): ValueFacts {
    const facts = this.executable.facts(name) ?? this.parent?.facts(name);
    if (!facts) throw new EspalierError('BAD_GRAPH', `nothing makes the value "${name}"`);
    return facts;
  }

  dims(name: string): number[] {
    const own = this.executable.facts(name);
    return own || !this.parent ? bindShape(this.facts(name).shape, this.at) : this.parent.dims(name);
  }

  /** Sets a value that the runtime itself computed, and learns the sizes that only it could tell. */
  set(name: string, value: Value): void {
    if (this.facts(name).container) {
      this.containers.set(name, value);
      return;
    }
    const tensor = value as Tensor;
    unify(`the value "${name}"`, this.facts(name).shape, tensor.dims, this.at);
    this.checkAssumptions();
    this.places.set(name, { tensor, slots: [] });
  }

  /** A value in host memory, whatever its kind; `own` as for {@link tensor}. */
  async value(name: string, own: boolean): Promise<Value> {
    if (!this.facts(name).container) return this.tensor(name, own);
    const root = this.executable.root(name);
    const value = this.containers.get(root);
    if (value === undefined) {
      if (this.parent) return this.parent.value(root, own);
      throw new EspalierError('BAD_GRAPH', `the value "${root}" is read before it is made`);
    }
    if (!own || value === null) return value;
    return isSequence(value) ? value.map(copyOf) : copyOf(value);
  }

  /** A tensor in host memory; `own` asks for memory that nobody else will touch. */
  async tensor(name: string, own: boolean): Promise<Tensor> {
    const root = this.executable.root(name);
    const constant = this.executable.constants.tensor(root);
    const place = this.places.get(root);
    const dims = this.dims(name);
    if (!constant && !place && this.parent) return (await this.parent.tensor(root, own)).reshape(dims);
    const known = constant ?? place?.tensor;
    if (known) return (own ? copyOf(known) : known).reshape(dims);
    const backend = place?.slots.findIndex((slot) => slot !== undefined) ?? -1;
    if (backend < 0) throw new EspalierError('BAD_GRAPH', `the value "${name}" is read before it is made`);
    const { buffer, offset } = place!.slots[backend]!;
    const host = this.executable.backends[backend]!;
    const { dtype } = this.facts(name);
    const bytes = bytesOf({ dtype, shape: dims }, {});
    const view = own ? undefined : host.view?.(buffer);
    return Tensor.fromBytes(
      dtype,
      view ? view.subarray(offset, offset + bytes) : await host.read(buffer, offset, bytes),
      dims,
    );
  }

  /** A value where `backend` can read it, moved there if need be. */
  private async slot(root: string, backend: number): Promise<Slot<unknown>> {
    const { executable } = this;
    const constant = executable.constants.slot(root, backend);
    if (constant) return constant;
    let place = this.places.get(root);
    if (!place) {
      if (this.parent) return this.parent.slot(this.parent.executable.root(root), backend);
      throw new EspalierError('BAD_GRAPH', `the value "${root}" is read before it is made`);
    }
    let slot = place.slots[backend];
    if (slot) return slot;
    const host = executable.backends[backend]!;
    const adopted = this.adopt(place, backend);
    if (adopted) slot = adopted;
    else {
      const tensor = await this.tensor(root, false);
      slot = this.reserve(root, backend);
      host.write(slot.buffer, slot.offset, tensor.bytes);
    }
    place = this.places.get(root)!;
    place.slots[backend] = slot;
    return slot;
  }

  /** The place itself as memory of `backend`, without a copy, where both sides can. */
  private adopt(place: Place, backend: number): Slot<unknown> | undefined {
    const { backends } = this.executable;
    const target = backends[backend]!;
    if (!target.adopt) return undefined;
    if (place.tensor) return { buffer: toBuffer(target, place.tensor), offset: 0 };
    for (const [from, slot] of place.slots.entries()) {
      const view = slot && backends[from]!.view?.(slot.buffer);
      if (view) return { buffer: target.adopt(view), offset: slot.offset };
    }
    return undefined;
  }

  /** Room for a value on a backend: its place in the arena, or memory of its own when its size came up only now. */
  private reserve(root: string, backend: number): Slot<unknown> {
    const offset = this.offsets[backend]!.get(root);
    if (offset !== undefined) return { buffer: this.arenas[backend]?.buffer ?? this.allocate(backend, 0), offset };
    return { buffer: this.allocate(backend, bytesOf(this.facts(root), this.at)), offset: 0 };
  }

  private allocate(backend: number, bytes: number): unknown {
    const buffer = allocate(this.executable.backends[backend]!, bytes);
    this.extra.push({ backend, buffer });
    return buffer;
  }

  private async runRegion(region: Region): Promise<void> {
    const { backend } = region;
    const slots = new Map<string, Slot<unknown>>();
    const { constants } = this.executable;
    // Most are constants, for which nothing is to be awaited.
    for (const root of region.reads) slots.set(root, constants.slot(root, backend) ?? (await this.slot(root, backend)));
    for (const root of region.writes) {
      const slot = this.reserve(root, backend);
      const place: Place = { tensor: undefined, slots: [] };
      place.slots[backend] = slot;
      this.places.set(root, place);
      slots.set(root, slot);
    }
    const { onNode, signal } = this.options;
    const options: RunOptions = { signal };
    if (onNode)
      options.onStep = (step, seconds) =>
        onNode(timing(region.tasks[step]!, this.executable.backends[backend]!.id, region.kernels[step]!, seconds));
    await region.list.run(
      region.slots.map((root) => slots.get(root)),
      this.at,
      options,
    );
  }

  private async askShapes({ task: { node }, inputs }: ShapeQuestion): Promise<void> {
    const known = new Map<string, Tensor>();
    for (const index of inputs) {
      const name = node.inputs[index];
      if (name) known.set(name, await this.tensor(name, false));
    }
    const { values } = inferNode(node, this.executable.ops, (name) => {
      const constant = known.get(name);
      const shape = this.dims(name);
      return { dtype: this.facts(name).dtype, shape, ...(constant ? constantFacts(constant) : {}) };
    });
    for (const [name, { shape }] of values) {
      const dims = shape.map((d) => {
        if (typeof d === 'number') return d;
        throw new EspalierError(
          'BAD_INPUT',
          `${node.name} (${node.op}): the values of its inputs do not tell the shape of "${name}"`,
          { node: node.name },
        );
      });
      unify(`the value "${name}"`, this.facts(name).shape, dims, this.at);
      this.executable.checkView(name, this.at);
    }
    this.checkAssumptions();
  }

  private async runEvaluation({ task, kernel, backend }: Evaluation): Promise<void> {
    const { node, call } = task;
    await this.timed(task, this.executable.backends[backend]!.id, kernel.name, async () => {
      const inputs: (Tensor | undefined)[] = [];
      for (const name of node.inputs) inputs.push(name === '' ? undefined : await this.tensor(name, false));
      const bound = (desc: (typeof call.inputs)[number], tensor: Tensor | undefined) =>
        desc && tensor && { ...desc, shape: tensor.dims };
      const results = await runGenerator(
        kernel.evaluate!(
          { ...call, attrs: this.boundAttrs(task), inputs: call.inputs.map((desc, i) => bound(desc, inputs[i])) },
          inputs,
        ),
        this.options.slicer,
      );
      node.outputs.forEach((name, i) => {
        if (name !== '') this.set(name, results[i]!);
      });
    });
  }

  /** A call's attributes with sizes in place of expressions. */
  private boundAttrs({ node, call }: Task): Attributes {
    const { attributes } = schemaOf(this.executable.ops, node)!;
    const entries = Object.entries(call.attrs).map(([name, value]) => {
      const isShape = attributes[name]?.type === 'dims';
      return [name, isShape ? bindShape(value as readonly Dim[], this.at) : value];
    });
    return Object.fromEntries(entries);
  }

  private async timed(task: Task, backend: string, kernel: string, run: () => Promise<void>): Promise<void> {
    const started = performance.now();
    await run();
    this.options.onNode?.(timing(task, backend, kernel, (performance.now() - started) / 1000));
  }
}

function timing({ node }: Task, backend: string, kernel: string, seconds: number): NodeTiming {
  return { node: node.name, op: node.op, backend, kernel, seconds };
}
