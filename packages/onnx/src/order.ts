/** Puts nodes in topological order, and finds cycles and values that nothing makes. */

import { EspalierError, type Node, usedValues } from '@espalier/core';
import { quote, quoteAll } from './within.ts';

/** The nodes, each after those whose results it reads; where they stand so already, as they stand. */
export function inOrder<N extends Node>(nodes: readonly N[]): readonly N[] {
  const producer = new Map<string, number>();
  nodes.forEach((node, i) => {
    for (const name of node.outputs) if (name !== '') producer.set(name, i);
  });
  const needs = nodes.map((node) => usedValues(node).flatMap((name) => producer.get(name) ?? []));
  if (needs.every((list, i) => list.every((before) => before < i))) return nodes;

  const sorted: N[] = [];
  const state = new Uint8Array(nodes.length);
  const [open, done] = [1, 2];
  // A stack of our own: files may hold chains longer than the call stack.
  for (let root = 0; root < nodes.length; root++) {
    const path: { readonly node: number; next: number }[] = [];
    const enter = (node: number): void => {
      if (state[node] === done) return;
      if (state[node] === open) fail(path.slice(path.findIndex((step) => step.node === node)).map((step) => step.node));
      state[node] = open;
      path.push({ node, next: 0 });
    };
    enter(root);
    while (path.length > 0) {
      const step = path.at(-1)!;
      const before = needs[step.node]![step.next++];
      if (before !== undefined) {
        enter(before);
        continue;
      }
      state[step.node] = done;
      sorted.push(nodes[step.node]!);
      path.pop();
    }
  }
  return sorted;

  function fail(cycle: readonly number[]): never {
    const names = cycle.map((i) => nodes[i]!.name);
    throw new EspalierError('BAD_GRAPH', `nodes depend on their own results: ${quoteAll(names)}`, { node: names[0]! });
  }
}

/** @throws EspalierError `BAD_GRAPH` naming what reads a value that nothing makes */
export function checkProduced(nodes: readonly Node[], outputs: readonly string[], known: ReadonlySet<string>): void {
  const missing: string[] = [];
  let first: string | undefined;
  for (const node of nodes) {
    for (const name of usedValues(node)) {
      if (known.has(name)) continue;
      first ??= node.name;
      missing.push(`node ${quote(node.name)} reads ${quote(name)}`);
    }
  }
  for (const name of outputs) if (!known.has(name)) missing.push(`the graph gives out ${quote(name)}`);
  if (missing.length === 0) return;
  const more = missing.length > 8 ? ` and ${missing.length - 8} more` : '';
  throw new EspalierError(
    'BAD_GRAPH',
    `no node, input or initializer makes what is used: ${missing.slice(0, 8).join('; ')}${more}`,
    first === undefined ? {} : { node: first },
  );
}
