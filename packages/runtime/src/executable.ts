/**
 * A planned graph made ready to run: kernels prepared, straight lines recorded, lifetimes known. Holds what all runs share;
 * what one run owns is a Frame.
 */

import {
  type AnyBackend,
  bindShape,
  byteLength,
  type CommandList,
  dim,
  EspalierError,
  formatShape,
  type Kernel,
  type Node,
  type OpTable,
  type Program,
  Slicer,
  type Step,
  schemaOf,
  sizeOf,
  throwIfAborted,
  UnsupportedError,
  usedValues,
  type ValueFacts,
} from '@espalier/core';
import { type ArenaLayout, type Assignment, layOut, type Planned } from '@espalier/planner';
import type { Bindings } from './bind.ts';
import { type Constants, ConstantsKeeper } from './constants.ts';
import { lend } from './lend.ts';
import { Pool } from './pool.ts';

/** What a run needs of an assignment. */
export type Task = Pick<Assignment, 'node' | 'call'>;

/** A straight line of steps on one backend. */
export interface Region {
  readonly kind: 'region';
  readonly backend: number;
  readonly list: CommandList<unknown>;
  readonly tasks: readonly Task[];
  readonly kernels: readonly string[];
  /** Root values by slot. */
  readonly slots: readonly string[];
  readonly reads: readonly string[];
  readonly writes: readonly string[];
}

/** Reads values that decide the shapes of a node's outputs, and binds the symbols that were left open. */
export interface ShapeQuestion {
  readonly kind: 'shapes';
  readonly task: Task;
  readonly inputs: readonly number[];
}

/** A kernel that works on tensors in host memory. */
export interface Evaluation {
  readonly kind: 'evaluate';
  readonly task: Task;
  readonly kernel: Kernel;
  readonly backend: number;
}

/** If, Loop or Scan. */
export interface Control {
  readonly kind: 'control';
  readonly task: Task;
  readonly branches: ReadonlyMap<string, Executable>;
}

export type Unit = Region | ShapeQuestion | Evaluation | Control;

export interface CompileContext {
  readonly backends: readonly AnyBackend[];
  /** By backend, those that have memory for each model. */
  readonly partitions: readonly (object | undefined)[];
  readonly ops: OpTable;
  readonly signal?: AbortSignal | undefined;
  /** True where the bytes of the graph's constants are gone once it is compiled. */
  readonly areBorrowed?: boolean | undefined;
  /** Told when another node is prepared. */
  onNode?(): void;
}

export class Executable {
  readonly planned: Pick<Planned, 'graph' | 'inferred' | 'plan'>;
  readonly backends: readonly AnyBackend[];
  readonly ops: OpTable;
  readonly units: readonly Unit[];
  readonly constants: Constants;
  /** Arenas that no run uses at the moment, by backend. */
  readonly arenas: readonly Pool[];
  private readonly roots: ReadonlyMap<string, string>;
  private readonly lifetimes: readonly ReadonlyMap<string, readonly [number, number]>[];
  private readonly symbols: readonly string[];
  private readonly layouts = new Map<string, readonly StaticLayout[]>();
  private readonly programs: readonly Program[];

  private constructor(
    planned: Planned,
    context: CompileContext,
    units: readonly Unit[],
    programs: readonly Program[],
    roots: ReadonlyMap<string, string>,
    constants: Constants,
  ) {
    this.planned = withoutConstants(planned);
    this.backends = context.backends;
    this.ops = context.ops;
    this.units = units;
    this.programs = programs;
    this.roots = roots;
    this.arenas = context.backends.map((backend) => new Pool(backend));
    this.constants = constants;
    this.lifetimes = this.findLifetimes(planned.assignments.map(({ node }) => node));
    this.symbols = this.findSymbols();
  }

  /** Prepares every node, the next best kernel where one declines. @throws UnsupportedError when none is left */
  static async compile(planned: Planned, context: CompileContext): Promise<Executable> {
    const roots = findRoots(planned);
    const programs: Program[] = [];
    const units: Unit[] = [];
    const keeper = new ConstantsKeeper(planned, roots, context.backends);
    try {
      await prepareAll(planned, context, roots, programs, keeper, units);
      for (const name of planned.graph.outputs) keeper.keep(name);
      for (const unit of units)
        if (unit.kind !== 'region') for (const name of usedValues(unit.task.node)) keeper.keep(name);
      const constants = await keeper.finish(context.areBorrowed ?? false);
      return new Executable(planned, context, units, programs, roots, constants);
    } catch (error) {
      discard(units, programs);
      await keeper.abandon();
      throw error;
    }
  }

  /** The value whose bytes a value is: itself, or what it is a view of. */
  root(name: string): string {
    return this.roots.get(name) ?? name;
  }

  facts(name: string): ValueFacts | undefined {
    return this.planned.inferred.values.get(name);
  }

  /** Offsets of the values whose sizes `at` already tells, for each backend. Remembered for the last few sizes. */
  layout(at: Bindings): readonly StaticLayout[] {
    const key = this.symbols.map((s) => at[s] ?? '').join();
    let layout = this.layouts.get(key);
    if (!layout) {
      for (const [name] of this.roots) this.checkView(name, at);
      layout = this.lifetimes.map((lifetimes, b) =>
        this.layOutBackend(lifetimes, at, this.backends[b]!.limits.alignment),
      );
      if (this.layouts.size >= 16) this.layouts.delete(this.layouts.keys().next().value!);
      this.layouts.set(key, layout);
    }
    return layout;
  }

  /**
   * A view must have as many bytes as its source: reading on behind it would give another value's. Says nothing yet where a
   * size is open.
   * @throws EspalierError `SHAPE_MISMATCH`
   */
  checkView(name: string, at: Bindings): void {
    const root = this.root(name);
    const [view, source] = [this.facts(name)!, this.facts(root)];
    const isKnown = (facts: ValueFacts): boolean =>
      facts.shape.every((d) => dim.symbols(d).every((s) => at[s] !== undefined));
    if (root === name || !source || !isKnown(view) || !isKnown(source)) return;
    if (bytesOf(view, at) === bytesOf(source, at)) return;
    const [from, to] = [source, view].map(({ shape }) => formatShape(bindShape(shape, at)));
    throw new EspalierError(
      'SHAPE_MISMATCH',
      `"${name}" cannot have the shape ${to}: its source "${root}" has ${from}`,
    );
  }

  private layOutBackend(
    lifetimes: ReadonlyMap<string, readonly [number, number]>,
    at: Bindings,
    alignment: number,
  ): StaticLayout {
    const known = [...lifetimes].filter(([name]) =>
      this.facts(name)!.shape.every((d) => dim.symbols(d).every((s) => at[s] !== undefined)),
    );
    const arena = layOut(
      known.map(([name, [from, to]]) => ({ bytes: bytesOf(this.facts(name)!, at), from, to })),
      alignment,
    );
    return { offsets: new Map(known.map(([name], i) => [name, arena.offsets[i]!])), bytes: arena.bytes };
  }

  /** For each backend: values that it makes or is given, from the first unit that needs the place to the last. */
  private findLifetimes(nodes: readonly Node[]): ReadonlyMap<string, readonly [number, number]>[] {
    const order = new Map(nodes.map((node, i) => [node, i]));
    const last = new Map<string, number>();
    nodes.forEach((node, i) => {
      for (const name of usedValues(node)) last.set(this.root(name), i);
    });
    for (const name of this.planned.graph.outputs) last.set(this.root(name), Number.POSITIVE_INFINITY);
    const lifetimes = this.backends.map(() => new Map<string, readonly [number, number]>());
    for (const unit of this.units) {
      if (unit.kind !== 'region') continue;
      const begin = order.get(unit.tasks[0]!.node)!;
      const own = lifetimes[unit.backend]!;
      for (const name of unit.reads) {
        if (!own.has(name) && this.facts(name) && !this.constants.has(name)) own.set(name, [begin, last.get(name)!]);
      }
      for (const { node } of unit.tasks) {
        const at = order.get(node)!;
        for (const name of node.outputs) if (name !== '') own.set(name, [at, last.get(name) ?? at]);
      }
    }
    return lifetimes;
  }

  private findSymbols(): string[] {
    const names = this.lifetimes.flatMap((lifetimes) => [...lifetimes.keys()]);
    return [...new Set(names.flatMap((name) => this.facts(name)!.shape.flatMap((d) => dim.symbols(d))))].sort();
  }

  /** Bytes held for constants and code. */
  get resident(): number {
    const nested = this.units.flatMap((unit) => (unit.kind === 'control' ? [...unit.branches.values()] : []));
    return [...this.programs, ...nested].reduce((sum, holder) => sum + holder.resident, 0);
  }

  dispose(): void {
    discard(this.units, this.programs);
    this.constants.dispose();
    for (const pool of this.arenas) pool.dispose();
  }
}

/** Where values are in one backend's arena. */
export interface StaticLayout {
  readonly offsets: ReadonlyMap<string, number>;
  readonly bytes: ArenaLayout['bytes'];
}

/** A kernel that was chosen in the end, and its program unless it works on tensors in host memory. */
interface PreparedKernel {
  readonly kernel: Kernel;
  readonly backend: number;
  readonly program: Program | undefined;
}

interface Prepared extends PreparedKernel {
  readonly program: Program;
  readonly task: Task;
}

/** Bytes of a value under a binding. */
export function bytesOf({ dtype, shape }: Pick<ValueFacts, 'dtype' | 'shape'>, at: Bindings): number {
  return byteLength(dtype, sizeOf(bindShape(shape, at)));
}

/** What runs need of a plan: no constants, which programs have packed or {@link Constants} holds, so that the model's file can go. */
function withoutConstants({ graph, inferred, plan }: Planned): Executable['planned'] {
  const values = [...inferred.values].map(([name, { constant: _, ...facts }]) => [name, facts] as const);
  return {
    graph: { ...graph, constants: new Map() },
    inferred: { ...inferred, values: new Map(values), subgraphs: new Map() },
    plan,
  };
}

async function prepare(
  { call, constants, ranked, node }: Assignment,
  { backends, partitions, signal }: CompileContext,
): Promise<PreparedKernel> {
  const reasons: string[] = [];
  for (const { kernel, backend } of ranked) {
    if (kernel.evaluate) return { kernel, backend, program: undefined };
    try {
      const { features } = backends[backend]!;
      const context = { features, partition: partitions[backend], ...(signal ? { signal } : {}) };
      const program = await lend(constants, (lent) => kernel.prepare!(call, lent, context));
      return { kernel, backend, program };
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'UNSUPPORTED') throw error;
      reasons.push(`${backends[backend]!.id}/${kernel.name}: ${(error as Error).message}`);
    }
  }
  throw new UnsupportedError(
    `${node.name} (${node.op}): no kernel could be prepared\n  ${reasons.join('\n  ')}`,
    reasons,
    { node: node.name },
  );
}

/**
 * Prepares the kernels of all nodes at once: while one packs its constants on other threads, the next emits its code.
 * @returns what was prepared, by the order of the nodes; `programs` has them too, and also where an error is thrown
 */
async function prepareKernels(
  planned: Planned,
  context: CompileContext,
  programs: Program[],
  keeper: ConstantsKeeper,
): Promise<readonly (PreparedKernel | undefined)[]> {
  const slicer = new Slicer(context.signal);
  await slicer.pause();
  let failed: { readonly error: unknown } | undefined;
  const prepared: (PreparedKernel | undefined)[] = [];
  const prepareOne = async (assignment: Assignment, index: number): Promise<void> => {
    try {
      const kernel = assignment.kind === 'kernel' ? await prepare(assignment, context) : undefined;
      if (kernel?.program) {
        programs.push(kernel.program);
        for (const name of readBy(assignment.node, kernel.program))
          if (name !== undefined) keeper.keep(name, kernel.backend);
      }
      prepared[index] = kernel;
      context.onNode?.();
    } catch (error) {
      failed ??= { error };
    }
  };
  const pending: Promise<void>[] = [];
  try {
    for (const [index, assignment] of planned.assignments.entries()) {
      if (slicer.due) await slicer.pause();
      if (failed) break;
      pending.push(prepareOne(assignment, index));
    }
  } finally {
    await Promise.all(pending);
  }
  if (failed) throw failed.error;
  throwIfAborted(context.signal);
  return prepared;
}

async function prepareAll(
  planned: Planned,
  context: CompileContext,
  roots: ReadonlyMap<string, string>,
  programs: Program[],
  keeper: ConstantsKeeper,
  units: Unit[],
): Promise<void> {
  const kernels = await prepareKernels(planned, context, programs, keeper);
  let open: { backend: number; steps: Prepared[] } | undefined;
  const close = (): void => {
    if (open) units.push(recordRegion(open.backend, open.steps, context.backends[open.backend]!, roots));
    open = undefined;
  };
  for (const [index, assignment] of planned.assignments.entries()) {
    const task: Task = { node: assignment.node, call: assignment.call };
    if (assignment.kind === 'control') {
      close();
      const branches = new Map<string, Executable>();
      units.push({ kind: 'control', task, branches });
      for (const [name, branch] of assignment.branches) branches.set(name, await Executable.compile(branch, context));
      continue;
    }
    const prepared = kernels[index];
    if (prepared && !prepared.program) {
      close();
      units.push({ kind: 'evaluate', task, kernel: prepared.kernel, backend: prepared.backend });
      continue;
    }
    if (planned.inferred.fresh.has(task.node.name)) {
      close();
      units.push({ kind: 'shapes', task, inputs: schemaOf(context.ops, task.node)!.shapeInputs ?? [] });
    }
    if (!prepared) continue;
    if (open?.backend !== prepared.backend) close();
    open ??= { backend: prepared.backend, steps: [] };
    open.steps.push({ ...prepared, program: prepared.program!, task });
  }
  close();
}

/** What a program reads with each run, by input; undefined for what was left out or is packed. */
const readBy = ({ inputs }: Node, { packed }: Program): readonly (string | undefined)[] =>
  inputs.map((name, i) => (name === '' || packed?.includes(i) ? undefined : name));

function discard(units: readonly Unit[], programs: readonly Program[]): void {
  for (const unit of units) {
    if (unit.kind === 'region') unit.list.dispose();
    if (unit.kind === 'control') for (const branch of unit.branches.values()) branch.dispose();
  }
  for (const program of programs) program.dispose?.();
}

function recordRegion(
  backend: number,
  steps: readonly Prepared[],
  target: AnyBackend,
  roots: ReadonlyMap<string, string>,
): Region {
  const slots = new Map<string, number>();
  const reads = new Set<string>();
  const writes = new Set<string>();
  const slotOf = (name: string): number => {
    const root = roots.get(name) ?? name;
    let slot = slots.get(root);
    if (slot === undefined) {
      slot = slots.size;
      slots.set(root, slot);
    }
    return slot;
  };
  const recorded = steps.map(({ task: { node, call }, kernel, program }): Step => {
    const inputs = readBy(node, program).map((name) => {
      if (name === undefined) return undefined;
      const root = roots.get(name) ?? name;
      if (!writes.has(root)) reads.add(root);
      return slotOf(name);
    });
    const outputs = node.outputs.map((name) => {
      if (name === '') return undefined;
      writes.add(name);
      return slotOf(name);
    });
    return { call, kernel: kernel.name, program, inputs, outputs };
  });
  return {
    kind: 'region',
    backend,
    list: target.record(recorded),
    tasks: steps.map((s) => s.task),
    kernels: steps.map((s) => s.kernel.name),
    slots: [...slots.keys()],
    reads: [...reads],
    writes: [...writes],
  };
}

function findRoots({ assignments }: Planned): ReadonlyMap<string, string> {
  const roots = new Map<string, string>();
  for (const { kind, node } of assignments) {
    if (kind !== 'view') continue;
    const source = node.inputs[0]!;
    roots.set(node.outputs[0]!, roots.get(source) ?? source);
  }
  return roots;
}
