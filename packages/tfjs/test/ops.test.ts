// Ops against what tfjs computes; each with all sizes known while importing, and with as few as it needs.
import type { Tensor } from '@espalier/core';
import { describe, expect, it } from 'vitest';
import { importTfjs } from '../src/index.ts';
import { type Case, cases } from './cases.ts';
import { constant, model, type NodeDef, placeholder, runGraph } from './model.ts';

function caseModel(
  c: Case,
  known: 'all' | 'last' | 'none',
): { json: Record<string, unknown>; shard: Uint8Array; feeds: Record<string, Tensor> } {
  const [feeds, weights]: Record<string, Tensor>[] = [{}, {}];
  const nodes: NodeDef[] = [];
  const input: string[] = [];
  const order = c.order ?? 'f'.repeat(c.feeds?.length ?? 0) + 'c'.repeat(c.constants?.length ?? 0);
  const next = { f: 0, c: 0 };
  for (const kind of order as Iterable<'f' | 'c'>) {
    const name = `${kind}${next[kind]}`;
    const tensor = (kind === 'f' ? c.feeds : c.constants)![next[kind]++]!;
    input.push(name);
    const from = known === 'all' ? 0 : tensor.dims.length - (known === 'last' ? 1 : 0);
    const dims = tensor.dims.map((size, axis) => (axis >= from ? size : -1));
    nodes.push(kind === 'f' ? placeholder(name, tensor.type as 'float32', dims) : constant(name));
    (kind === 'f' ? feeds : weights)[name] = tensor;
  }
  nodes.push({ name: 'result', op: c.op, input, attr: c.attrs ?? {} });
  const outputs = Object.fromEntries(c.want.map((_, i) => [`out${i}`, { name: `result:${i}` }]));
  return { ...model(nodes, weights, { signature: { outputs } }), feeds };
}

const title = ({ op, what }: Case): string => (what ? `${op} ${what}` : op);

describe.each(cases.map((c) => [title(c), c] as const))('%s', (_, c) => {
  it.each<'all' | 'last' | 'none'>(c.known === 'all' ? ['all'] : ['all', c.known ?? 'none'])(
    'with sizes known: %s',
    async (known) => {
      const { json, shard, feeds } = caseModel(c, known);
      const { graph } = await importTfjs(json, async () => shard);
      const results = await runGraph(graph, feeds);
      c.want.forEach(([values, dims], i) => {
        expect(results[i]!.dims).toEqual(dims);
        const data = Array.from(results[i]!.data as ArrayLike<number>);
        data.forEach((value, at) => {
          expect(Math.abs(value - values[at]!), `element ${at}: ${value} is not ${values[at]}`).toBeLessThanOrEqual(
            1e-5 * Math.max(1, Math.abs(values[at]!)),
          );
        });
      });
    },
  );
});
