/** Runs passes over a graph and the graphs nested in it, stage by stage. */

import {
  type Attribute,
  dim,
  type Evaluate,
  type Graph,
  InferenceMemo,
  type Inferred,
  inferGraph,
  type OpTable,
  type Scope,
  Slicer,
  subgraphs,
  throwIfAborted,
} from '@espalier/core';
import type { Pass, PassContext } from './pass.ts';

/** A stage that still changes something after so many rounds is left as it is. */
const MAX_ROUNDS = 12;

/** One run of one pass. */
export interface PassReport {
  readonly name: string;
  readonly nodesBefore: number;
  readonly nodesAfter: number;
  readonly rewrites: number;
}

export interface RunPassesOptions {
  readonly ops: OpTable;
  /** Computes nodes on constants; without it nothing is folded. */
  readonly evaluate?: Evaluate;
  /** Stages in order; the passes of a stage run in turn until none of them changes anything. */
  readonly passes: readonly (readonly Pass[])[];
  /** Names of passes to leave out. */
  readonly disable?: readonly string[];
  readonly signal?: AbortSignal;
  /** What was inferred of the graph before. */
  readonly memo?: InferenceMemo;
}

/**
 * @returns the graph and a report of every run in the first round of a stage, and of later ones that changed something; runs
 * on a graph in which the pass has already found nothing to do are not made
 * @throws TypeError when `disable` names no pass; UnsupportedError and EspalierError as `inferGraph`
 */
export async function runStages(
  graph: Graph,
  { ops, evaluate, passes, disable = [], signal, memo = new InferenceMemo() }: RunPassesOptions,
): Promise<{ graph: Graph; report: PassReport[] }> {
  const names = new Set(passes.flat().map((pass) => pass.name));
  for (const name of disable)
    if (!names.has(name)) throw new TypeError(`"${name}" is not a pass: use one of ${[...names].join(', ')}`);
  const report: PassReport[] = [];
  // Passes that have nothing to do on a graph need not look at it again.
  const settled = new Map<Pass, Graph>();
  const slicer = new Slicer(signal);
  let nodes = count(graph);
  const runner = new Runner(graph, ops, evaluate, memo, signal);
  for (const stage of passes) {
    const enabled = stage.filter((pass) => !disable.includes(pass.name));
    let changed = true;
    for (let round = 0; changed && round < MAX_ROUNDS; round++) {
      changed = false;
      for (const pass of enabled) {
        throwIfAborted(signal);
        if (settled.get(pass) === graph) continue;
        if (slicer.due) await slicer.pause();
        runner.rewrites = 0;
        const next = await runner.run(pass, graph);
        if (next !== graph || round === 0) {
          const { name } = pass;
          const nodesAfter = next === graph ? nodes : count(next);
          report.push({ name, nodesBefore: nodes, nodesAfter, rewrites: runner.rewrites });
          nodes = nodesAfter;
        }
        if (next === graph) settled.set(pass, graph);
        else changed = true;
        graph = next;
      }
    }
  }
  return { graph, report };
}

function count(graph: Graph): number {
  return graph.nodes.reduce((sum, node) => sum + subgraphs(node).reduce((n, [, g]) => n + count(g), 1), 0);
}

class Runner {
  rewrites = 0;
  private readonly ops: OpTable;
  private readonly evaluate: Evaluate | undefined;
  private readonly memo: InferenceMemo;
  private readonly signal: AbortSignal | undefined;
  private readonly symbols: ReadonlySet<string>;
  private readonly inferred = new WeakMap<Graph, Inferred>();

  constructor(
    graph: Graph,
    ops: OpTable,
    evaluate: Evaluate | undefined,
    memo: InferenceMemo,
    signal: AbortSignal | undefined,
  ) {
    this.ops = ops;
    this.evaluate = evaluate;
    this.memo = memo;
    this.signal = signal;
    this.symbols = new Set(graph.inputs.flatMap((input) => input.shape.flatMap((d) => dim.symbols(d))));
  }

  /** Subgraphs first, then the graph itself. */
  async run(pass: Pass, graph: Graph, outer: Scope = () => undefined): Promise<Graph> {
    const infer = (g: Graph): Inferred => {
      let known = this.inferred.get(g);
      if (!known) {
        known = inferGraph(g, this.ops, outer, this.memo);
        this.inferred.set(g, known);
      }
      return known;
    };
    const { values, subgraphs: nested } = infer(graph);
    const scope: Scope = (name) => values.get(name) ?? outer(name);
    const nodes = [...graph.nodes];
    for (const [i, node] of nested.size > 0 ? nodes.entries() : []) {
      for (const { source, graph: typed, inferred } of nested.get(node.name) ?? []) {
        this.inferred.set(typed, inferred);
        const rewritten = await this.run(pass, typed, scope);
        if (rewritten === typed) continue;
        const body = { ...rewritten, inputs: source.inputs };
        nodes[i] = { ...node, attrs: replaceValue(nodes[i]!.attrs, source, body) };
      }
    }
    const own = nodes.every((node, i) => node === graph.nodes[i]) ? graph : { ...graph, nodes };
    const context: PassContext = {
      ops: this.ops,
      evaluate: this.evaluate,
      inferred: infer,
      memo: this.memo,
      outer,
      symbols: this.symbols,
      rewrote: () => void this.rewrites++,
      signal: this.signal,
    };
    return pass.run(own, context);
  }
}

function replaceValue(
  attrs: Readonly<Record<string, Attribute>>,
  from: Attribute,
  to: Attribute,
): Record<string, Attribute> {
  return Object.fromEntries(Object.entries(attrs).map(([name, value]) => [name, value === from ? to : value]));
}
