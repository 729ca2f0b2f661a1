/** Graph in, plan out: passes, prices, the choice over the whole graph, and why. */

import {
  type AnyBackend,
  type Binding,
  bindShape,
  byteLength,
  type Call,
  type Constants,
  callOf,
  type Evaluate,
  formatType,
  type Graph,
  hasCode,
  InferenceMemo,
  type Inferred,
  type InferredSubgraph,
  inferGraph,
  inferNode,
  isView,
  type Node,
  type OpTable,
  runtimeOps,
  type Scope,
  Slicer,
  schemaOf,
  sizeOf,
  UnsupportedError,
  type ValueFacts,
} from '@espalier/core';
import { choose, type Decision } from './choose.ts';
import { afterUnfusing, optionalPasses, type PassReport, runPasses } from './passes/index.ts';
import { type Candidate, Catalogue, type Offer, type Refusal } from './price.ts';
import type { DeviceProfile } from './profile.ts';
import { representativeSizes } from './sizes.ts';
import { constantOf } from './structure.ts';
import { splitEpilogue } from './unfuse.ts';

/** One node of a {@link Plan}. Plain JSON. */
export interface PlannedNode {
  readonly name: string;
  readonly op: string;
  readonly domain: string;
  /** `float32[batch,seq,384]` or `sequence(float32[?,384])`, '' where left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Ops fused into it. */
  readonly epilogue: readonly string[];
  /** `view`: only a new shape, nothing is computed. `control`: run by the runtime: control flow, sequences. */
  readonly kind: 'kernel' | 'view' | 'control';
  readonly backend: string;
  readonly kernel: string;
  /** How the constant operand is stored. */
  readonly format: string;
  /** Predicted seconds, at the plan's sizes. */
  readonly seconds: number;
  readonly macs: number;
  readonly bytes: number;
  readonly resident: number;
  /** The candidates that it beat, cheapest first. */
  readonly losers: readonly { readonly backend: string; readonly kernel: string; readonly seconds: number }[];
  readonly refusals: readonly Refusal[];
  /** Plans of its subgraphs, by attribute. */
  readonly branches: Readonly<Record<string, Plan>>;
}

/** A backend that this host or install does not have. */
export interface AbsentBackend {
  readonly id: string;
  /** One line. */
  readonly reason: string;
}

/** What runs where, and why. Plain JSON; the same for the same graph, backends, profile and options. */
export interface Plan {
  readonly version: 1;
  readonly graph: string;
  readonly machine: string;
  readonly backends: readonly string[];
  /** Backends that were wanted and are not here, and why. */
  readonly absent: readonly AbsentBackend[];
  /** Backends that could be faster on this host, and how. */
  readonly hints: readonly { readonly id: string; readonly hint: string }[];
  /** The sizes that were priced; the plan holds for all others too. */
  readonly sizes: Binding;
  /** Predicted seconds of one run, moves between backends included. */
  readonly seconds: number;
  /** Seconds of it spent on moving values between backends. */
  readonly crossings: number;
  readonly nodes: readonly PlannedNode[];
  readonly passes: readonly PassReport[];
  /** Fusions that were taken apart again because the parts are cheaper, or no kernel does the whole. */
  readonly unfused: readonly { readonly node: string; readonly reason: string }[];
}

/** What the runtime needs to prepare a planned node. */
export interface Assignment {
  readonly node: Node;
  readonly call: Call;
  readonly constants: Constants;
  readonly kind: PlannedNode['kind'];
  /** Best first; the first is the plan's choice. Empty for views and control flow. */
  readonly ranked: readonly Candidate[];
  /** Its subgraphs, planned, by attribute name. */
  readonly branches: ReadonlyMap<string, Planned>;
}

export interface Planned {
  readonly graph: Graph;
  readonly inferred: Inferred;
  /** In the order of the graph's nodes. */
  readonly assignments: readonly Assignment[];
  readonly plan: Plan;
}

export interface PlanOptions {
  readonly backends: readonly AnyBackend[];
  /** Backends that are not here, for the plan to tell. */
  readonly absent?: readonly AbsentBackend[];
  readonly profile: DeviceProfile;
  readonly ops: OpTable;
  /** Computes constants while folding. */
  readonly evaluate?: Evaluate;
  /** Sizes to expect, by symbol. */
  readonly expect?: Readonly<Record<string, number>>;
  /** Names of passes to leave out. */
  readonly disable?: readonly string[];
  readonly signal?: AbortSignal;
}

const places = { kernel: 'backend', view: 'view', control: 'host' } as const;

/**
 * Plans a graph.
 * @throws UnsupportedError that lists every node no backend can run, with the reasons
 */
export async function planGraph(graph: Graph, options: PlanOptions): Promise<Planned> {
  const memo = new InferenceMemo();
  const slicer = new Slicer(options.signal);
  // The graph is checked before any pass sees it, so that errors speak of the model's own nodes.
  inferGraph(graph, options.ops, undefined, memo);
  await slicer.pause();
  const planned = await planRewritten(graph, options, memo);
  const optional = optionalPasses.filter((name) =>
    planned.plan.passes.some((report) => report.name === name && report.rewrites > 0),
  );
  if (optional.length === 0) return planned;
  const without = { ...options, disable: [...(options.disable ?? []), ...optional] };
  try {
    const other = await planRewritten(graph, without, memo);
    return other.plan.seconds < planned.plan.seconds ? other : planned;
  } catch (error) {
    // What nobody can run as it is written is run as it was rewritten.
    if (hasCode(error, 'UNSUPPORTED')) return planned;
    throw error;
  }
}

/** Plans what passes make of a graph. */
async function planRewritten(graph: Graph, options: PlanOptions, memo: InferenceMemo): Promise<Planned> {
  const { ops, evaluate, disable, signal } = options;
  const { graph: better, report } = await runPasses(graph, {
    ops,
    memo,
    ...(evaluate ? { evaluate } : {}),
    ...(disable ? { disable } : {}),
    ...(signal ? { signal } : {}),
  });
  const planned = await planAsItIs(better, options, memo, report);
  if (planned.plan.unfused.length === 0 || !evaluate) return planned;
  // Parts may compute with constants alone what the whole did with each run.
  const again = await runPasses(planned.graph, {
    ops,
    memo,
    evaluate,
    passes: afterUnfusing,
    disable: (disable ?? []).filter((name) => afterUnfusing.flat().some((pass) => pass.name === name)),
    ...(signal ? { signal } : {}),
  });
  if (again.graph === planned.graph) return planned;
  const folded = await planAsItIs(again.graph, options, memo, [...report, ...again.report]);
  return { ...folded, plan: { ...folded.plan, unfused: [...planned.plan.unfused, ...folded.plan.unfused] } };
}

async function planAsItIs(
  graph: Graph,
  options: PlanOptions,
  memo: InferenceMemo,
  report: readonly PassReport[],
): Promise<Planned> {
  await new Slicer(options.signal).pause();
  const inferred = inferGraph(graph, options.ops, undefined, memo);
  const at = representativeSizes(graph, inferred, options.expect);
  const planner = new Planner(options, memo);
  const planned = await planner.plan(graph, inferred, at, () => undefined, report);
  if (planner.unsupported.length > 0) {
    const lines = planner.unsupported;
    throw new UnsupportedError(
      `${lines.length} node(s) of "${graph.name}" cannot run on ${options.backends.map((b) => b.id).join(', ')}:\n  ${lines.join('\n  ')}`,
      lines,
    );
  }
  return planned;
}

class Planner {
  readonly unsupported: string[] = [];
  private readonly options: PlanOptions;
  private readonly catalogue: Catalogue;
  private readonly slicer: Slicer;
  private readonly memo: InferenceMemo;

  constructor(options: PlanOptions, memo: InferenceMemo) {
    this.options = options;
    this.slicer = new Slicer(options.signal);
    this.memo = memo;
    this.catalogue = new Catalogue(options.backends, options.profile, options.ops);
  }

  async plan(
    graph: Graph,
    facts: Inferred,
    at: Binding,
    outer: Scope,
    passes: readonly PassReport[],
  ): Promise<Planned> {
    const unfused: { node: string; reason: string }[] = [];
    const values = new Map(facts.values);
    const scope: Scope = (name) => values.get(name) ?? outer(name);
    const pricing: Pricing = { at, asked: new Map() };
    const nodes: Node[] = [];
    for (const node of graph.nodes) {
      const best = this.resolve(node, scope, pricing);
      for (const [name, fact] of best.values) if (!values.has(name)) values.set(name, fact);
      if (best.reason) unfused.push({ node: node.name, reason: best.reason });
      nodes.push(...best.nodes);
      if (this.slicer.due) await this.slicer.pause();
    }
    const inferred: Inferred = { ...facts, values };
    const offers: NodeOffer[] = [];
    const branches: ReadonlyMap<string, Planned>[] = [];
    for (const node of nodes) {
      offers.push(this.offer(node, scope, pricing));
      branches.push(await this.planBranches(node, facts, at, scope));
      if (this.slicer.due) await this.slicer.pause();
    }
    await this.slicer.pause();
    const backends = this.chooseBackends(graph, nodes, offers, scope, at);
    const assignments = nodes.map((node, i): Assignment => {
      const { call, constants, candidates } = offers[i]!;
      const chosen = backends.of[i]!;
      const ranked = [...candidates].sort(
        (a, b) => Number(b.backend === chosen) - Number(a.backend === chosen) || a.seconds - b.seconds,
      );
      return { node, call, constants, kind: this.kindOf(node), ranked, branches: branches[i]! };
    });
    const plan: Plan = {
      version: 1,
      graph: graph.name,
      machine: this.options.profile.machine,
      backends: this.options.backends.map((b) => b.id),
      absent: this.options.absent ?? [],
      hints: this.options.backends.flatMap(({ id, hint }) => (hint ? [{ id, hint }] : [])),
      sizes: at,
      seconds: backends.seconds,
      crossings: Math.max(
        0,
        backends.seconds - assignments.reduce((sum, { ranked }) => sum + (ranked[0]?.seconds ?? 0), 0),
      ),
      nodes: assignments.map((assignment, i) => this.describe(assignment, offers[i]!.refusals, scope)),
      passes,
      unfused,
    };
    return { graph: { ...graph, nodes }, inferred, assignments, plan };
  }

  private kindOf(node: Node): PlannedNode['kind'] {
    if (node.domain === '' && runtimeOps.has(node.op)) return 'control';
    const schema = schemaOf(this.options.ops, node);
    return schema && isView(schema, node) ? 'view' : 'kernel';
  }

  private offer(node: Node, scope: Scope, pricing: Pricing): NodeOffer {
    const known = pricing.asked.get(node) ?? this.ask(node, scope, pricing.at);
    pricing.asked.set(node, known);
    return known;
  }

  private ask(node: Node, scope: Scope, at: Binding): NodeOffer {
    const call = callOf(node, this.options.ops, scope);
    const constants = node.inputs.map((name) => {
      const tensor = name === '' ? undefined : scope(name)?.constant;
      return tensor && constantOf(tensor);
    });
    if (this.kindOf(node) !== 'kernel') return { call, constants, candidates: [], refusals: [] };
    return { call, constants, ...this.catalogue.offer(call, at, constants) };
  }

  /** The cheapest of: the node as it is, with less of its epilogue, or taken apart. */
  private resolve(node: Node, scope: Scope, pricing: Pricing): Resolved {
    const values = inferNode(node, this.options.ops, scope, this.memo).values;
    // What it makes may be new: an intermediate value that the fused node did not have.
    const offer = this.offer(node, (name) => values.get(name) ?? scope(name), pricing);
    const whole: Resolved = {
      nodes: [node],
      values,
      seconds: offer.candidates[0]?.seconds ?? Number.POSITIVE_INFINITY,
    };
    let best = whole;
    let finest = whole;
    const consider = (parts: readonly Node[]): void => {
      const resolved = this.resolveAll(parts, scope, pricing, best.seconds);
      if (!resolved) return;
      finest = resolved;
      if (finest.seconds < best.seconds) best = finest;
    };
    for (let keep = (node.epilogue?.length ?? 0) - 1; keep >= 0; keep--) consider(splitEpilogue(node, keep));
    if (node.decomposition && !node.epilogue) consider(node.decomposition);
    // Where nothing helps, the parts tell what is missing.
    if (best === whole) return Number.isFinite(whole.seconds) ? whole : finest;
    const reason = offer.candidates[0]
      ? `the whole would take ${offer.candidates[0].seconds} s (${offer.candidates[0].kernel.name}), its parts ${best.seconds} s`
      : `no kernel does the whole: ${offer.refusals.map((r) => `${r.kernel} ${r.reason}`).join('; ') || 'none for this op'}`;
    return { ...best, reason };
  }

  /** The parts of a node; undefined where they certainly take no less than `most` seconds. */
  private resolveAll(nodes: readonly Node[], scope: Scope, pricing: Pricing, most: number): Resolved | undefined {
    const values = new Map<string, ValueFacts>();
    const inner: Scope = (name) => values.get(name) ?? scope(name);
    const parts: Node[] = [];
    let seconds = 0;
    for (const node of nodes) {
      const part = this.resolve(node, inner, pricing);
      for (const [name, facts] of part.values) values.set(name, facts);
      parts.push(...part.nodes);
      if (!this.isFree(part)) seconds += part.seconds;
      if (Number.isFinite(seconds) && seconds >= most) return undefined;
    }
    return { nodes: parts, values, seconds };
  }

  private isFree({ nodes }: Resolved): boolean {
    return nodes.length === 1 && this.kindOf(nodes[0]!) !== 'kernel';
  }

  private async planBranches(
    node: Node,
    facts: Inferred,
    at: Binding,
    scope: Scope,
  ): Promise<ReadonlyMap<string, Planned>> {
    const planned = new Map<string, Planned>();
    for (const { source, graph, inferred } of facts.subgraphs.get(node.name) ?? ([] as readonly InferredSubgraph[])) {
      const [attribute] = Object.entries(node.attrs).find(([, value]) => value === source)!;
      const sizes = { ...representativeSizes(graph, inferred), ...at };
      planned.set(attribute, await this.plan(graph, inferred, sizes, scope, []));
    }
    return planned;
  }

  private chooseBackends(
    graph: Graph,
    nodes: readonly Node[],
    offers: readonly (Offer & { call: Call })[],
    scope: Scope,
    at: Binding,
  ): { of: readonly number[]; seconds: number } {
    const ids = new Map<string, number>();
    const bytes: number[] = [];
    const valueId = (name: string): number => {
      let id = ids.get(name);
      if (id === undefined) {
        id = ids.size;
        ids.set(name, id);
        const facts = scope(name)!;
        bytes.push(byteLength(facts.dtype, sizeOf(bindShape(facts.shape, at))));
      }
      return id;
    };
    const inputs = graph.inputs.map((input) => valueId(input.name));
    const decisions = nodes.map((node, i): Decision => {
      const kind = this.kindOf(node);
      const reads = [...new Set(node.inputs.filter((name) => name !== '' && !scope(name)?.constant).map(valueId))];
      const writes = node.outputs.filter((name) => name !== '').map(valueId);
      const cheapest = this.options.backends.map((_, b) => offers[i]!.candidates.find((c) => c.backend === b)?.seconds);
      if (kind === 'kernel' && cheapest.every((s) => s === undefined)) {
        const label = node.domain ? `${node.domain}.${node.op}` : node.op;
        const reasons = offers[i]!.refusals.map((r) => `${r.backend}/${r.kernel} ${r.reason}`).join('; ');
        this.unsupported.push(`${node.name} (${label}): ${reasons || 'no backend has a kernel for it'}`);
        return { seconds: [], reads, writes, place: 'host' };
      }
      return { seconds: cheapest, reads, writes, place: places[kind] };
    });
    const outputs = graph.outputs.filter((name) => !scope(name)?.constant).map(valueId);
    const choice = choose(decisions, inputs, outputs, bytes, (from, to, n) => this.catalogue.crossing(from, to, n));
    return { of: choice.backends, seconds: choice.seconds };
  }

  private describe(
    { node, call, kind, ranked, branches }: Assignment,
    refusals: readonly Refusal[],
    scope: Scope,
  ): PlannedNode {
    const [winner, ...losers] = ranked;
    const type = (name: string): string => (name === '' ? '' : formatType(scope(name)!));
    const id = (index: number): string => this.options.backends[index]!.id;
    return {
      name: node.name,
      op: node.op,
      domain: node.domain,
      inputs: node.inputs.map(type),
      outputs: node.outputs.map(type),
      epilogue: call.epilogue.map((step) => step.op),
      kind,
      backend: winner ? id(winner.backend) : '',
      kernel: winner?.kernel.name ?? '',
      format: winner?.kernel.format?.name ?? 'dense',
      seconds: winner?.seconds ?? [...branches.values()].reduce((most, b) => Math.max(most, b.plan.seconds), 0),
      macs: winner?.work.macs ?? 0,
      bytes: winner?.work.bytes ?? 0,
      resident: winner?.work.resident ?? 0,
      losers: losers.map((c) => ({ backend: id(c.backend), kernel: c.kernel.name, seconds: c.seconds })),
      refusals,
      branches: Object.fromEntries([...branches].map(([name, planned]) => [name, planned.plan])),
    };
  }
}

type NodeOffer = Offer & { readonly call: Call; readonly constants: Constants };

/** The sizes at which nodes are priced, and what they were offered so far. */
interface Pricing {
  readonly at: Binding;
  readonly asked: Map<Node, NodeOffer>;
}

interface Resolved {
  readonly nodes: readonly Node[];
  readonly values: ReadonlyMap<string, ValueFacts>;
  readonly seconds: number;
  readonly reason?: string;
}
