/** What a pass is: a named function from graph to graph that leaves what the graph computes as it is. */

import type { Evaluate, Graph, InferenceMemo, Inferred, OpTable, Scope } from '@espalier/core';

/** What a pass may ask about the graph it is given and the world around it. */
export interface PassContext {
  readonly ops: OpTable;
  /** Computes a node on constants; without it nothing is folded. */
  readonly evaluate?: Evaluate | undefined;
  /** Types, shapes and shape arithmetic of every value; computed once per graph. */
  inferred(graph: Graph): Inferred;
  /** What was inferred of its nodes, and of those that they came from. */
  readonly memo: InferenceMemo;
  /** Values of the graphs around this one, when it is the body of an If, Loop or Scan. */
  readonly outer: Scope;
  /** Symbols that the model's inputs bind: they have a value before the first node runs. */
  readonly symbols: ReadonlySet<string>;
  /** Counts a rewrite for the report. */
  rewrote(): void;
  readonly signal?: AbortSignal | undefined;
}

export interface Pass {
  /** As `explain` shows it and `disable` takes it. */
  readonly name: string;
  /** One line for people. */
  readonly summary: string;
  /**
   * Rewrites one graph; those nested in its nodes were rewritten before it. Names and order of inputs and outputs stay, nodes
   * stay in topological order, and a graph that needs nothing is returned as it is.
   */
  run(graph: Graph, context: PassContext): Graph | Promise<Graph>;
}
