// Ops against what tfjs computes; each with all sizes known while importing, and with as few as it needs.
import { describe, expect, it } from 'vitest';
import { importTfjs } from '../src/index.ts';
import { translators } from '../src/ops/index.ts';
import { type Case, caseModel, cases } from './cases.ts';
import { runGraph } from './model.ts';

const title = ({ op, what }: Case): string => (what ? `${op} ${what}` : op);

it('has a case for every op', () => {
  const tried = new Set(cases.map(({ op }) => op));
  // Which of two things this one means depends on the signature: see import.test.ts.
  expect([...translators.keys()].filter((op) => !tried.has(op))).toEqual(['PlaceholderWithDefault']);
});

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
