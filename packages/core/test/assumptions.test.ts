import { describe, expect, it } from 'vitest';
import { type Dim, dim, type Graph, inferGraph, onnxOps } from '../src/index.ts';

function assumedBy(op: string, ...shapes: (readonly Dim[])[]): unknown[] {
  const inputs = shapes.map((shape, i) => ({ name: `x${i}`, dtype: 'float32' as const, shape }));
  const node = { name: 'n', op, domain: '', inputs: inputs.map((i) => i.name), outputs: ['y'], attrs: {} };
  const graph: Graph = { name: 'test', inputs, outputs: ['y'], nodes: [node], constants: new Map() };
  const { assumed, values } = inferGraph(graph, onnxOps);
  return [values.get('y')!.shape, assumed];
}

describe('assumptions', () => {
  it('are what inference takes for granted of sizes that only a run knows', () => {
    expect(assumedBy('MatMul', ['n', 'k'], ['l', 3])).toEqual([
      ['n', 3],
      [{ kind: 'equal', a: 'k', b: 'l', node: 'n' }],
    ]);
    expect(assumedBy('Add', ['n'], [5])).toEqual([[5], [{ kind: 'broadcast', a: 'n', b: 5, node: 'n' }]]);
    expect(assumedBy('Add', ['n', 5], ['n', 1])).toEqual([['n', 5], []]);
  });

  it('let a table of k rows, cut to size, stand for the size', () => {
    const rows = dim.min(512, 'n');
    expect(assumedBy('Add', ['b', 'n'], [1, rows])).toEqual([
      ['b', 'n'],
      [{ kind: 'broadcast', a: 'n', b: rows, node: 'n' }],
    ]);
    expect(dim.broadcast(rows, dim.broadcast('n', rows))).toBe('n');
    expect(dim.broadcast(dim.min('k', 'n'), 'n')).toBe('broadcast(min(k,n),n)');
    expect(dim.broadcast(dim.broadcast('a', 'b'), 'b')).toBe('broadcast(a,b)');
  });

  it('hold or not under a binding', () => {
    const rows = dim.min(512, 'n');
    const table = { kind: 'broadcast', a: rows, b: 'n' } as const;
    expect([0, 1, 512, 513].map((n) => dim.holds(table, { n }))).toEqual([true, true, true, false]);
    expect(dim.holds({ kind: 'equal', a: 'k', b: 1 }, { k: 2 })).toBe(false);
    expect(dim.holds({ kind: 'broadcast', a: 'k', b: 1 }, { k: 2 })).toBe(true);
  });

  it('agree with what a broadcast is, wherever they hold', () => {
    const dims: Dim[] = ['a', 'b', 1, 3, dim.min(3, 'a'), dim.min('b', 4), dim.broadcast('a', 'b'), dim.add('a', 1)];
    let held = 0;
    for (const x of dims) {
      for (const y of dims) {
        const [[d] = [], assumed] = assumedBy('Add', [x], [y]) as [Dim[], Parameters<typeof dim.holds>[0][]];
        for (let a = 0; a < 6; a++) {
          for (let b = 0; b < 6; b++) {
            const at = { a, b };
            const tryTo = (work: () => number): number | undefined => {
              try {
                return work();
              } catch {
                return undefined;
              }
            };
            const [u, v] = [x, y].map((each) => tryTo(() => dim.evaluate(each, at)));
            if (u === undefined || v === undefined) continue;
            const fits = tryTo(() => dim.broadcast(u, v) as number);
            const isTrusted = assumed.every((assumption) => dim.holds(assumption, at));
            if (fits !== undefined) expect(dim.evaluate(d!, at), `${x} with ${y} at ${a}, ${b}`).toBe(fits);
            else if (isTrusted) expect(() => dim.evaluate(d!, at)).toThrow(/broadcast/);
            if (isTrusted) held++;
          }
        }
      }
    }
    expect(held).toBeGreaterThan(100);
  });
});
