import { describe, expect, it } from 'vitest';
import {
  type Dim,
  type DType,
  type Graph,
  inferNode,
  type Node,
  onnxOps,
  Tensor,
  type ValueFacts,
} from '../src/index.ts';
import { infer, ints, value } from './infer.ts';

type Line = readonly [op: string, inputs: string, output: string, attrs?: Node['attrs']];

/** A subgraph whose nodes are written as [op, inputs, output]; constants are names that begin with a number. */
function graph(inputs: string, outputs: string, lines: readonly Line[], dtypes: Record<string, DType> = {}): Graph {
  const list = (text: string): string[] => (text === '' ? [] : text.split(' '));
  const constants = new Map<string, Tensor>();
  for (const name of lines.flatMap(([, names]) => list(names)))
    if (/^-?\d/.test(name))
      constants.set(name, new Tensor('int64', name.split(',').map(Number), [name.split(',').length]));
  return {
    name: 'body',
    inputs: list(inputs).map((name) => ({ name, dtype: dtypes[name] ?? 'float32', shape: [] })),
    outputs: list(outputs),
    nodes: lines.map(([op, names, output, attrs = {}], i) => ({
      name: `inner${i}`,
      op,
      domain: '',
      inputs: list(names),
      outputs: [output],
      attrs,
    })),
    constants,
  };
}

/** If on a value `x` of the outer scope. */
function branches(condition: ValueFacts, x: ValueFacts, yes: Graph, no: Graph) {
  const node = {
    name: 'if',
    op: 'If',
    domain: '',
    inputs: ['c'],
    outputs: ['y'],
    attrs: { then_branch: yes, else_branch: no },
  };
  const { values, fresh } = inferNode(node, onnxOps, (name) => ({ c: condition, x })[name]);
  return { ...values.get('y')!, fresh };
}

const unknown = value([], 'bool');
const known = (condition: number): ValueFacts => ({ ...unknown, contents: [condition] });
const same = graph('', 'a', [['Identity', 'x', 'a']]);
const shorter = graph('', 'b', [['Slice', 'x 0 3 0', 'b']]);

describe('If', () => {
  it('keeps the sizes on which its branches agree', () => {
    expect(branches(unknown, value([7, 'n']), same, shorter)).toMatchObject({
      shape: ['_y.0.0', 'n'],
      fresh: ['_y.0.0'],
    });
    expect(branches(unknown, value(['n', 4]), same, same)).toMatchObject({ shape: ['n', 4], fresh: [] });
  });

  it('looks at one branch only where the condition is known', () => {
    const taken = (c: number) => branches(known(c), value([7]), shorter, same).shape;
    expect([taken(1), taken(0)]).toEqual([[3], [7]]);
  });

  it('hides symbols that only a branch knows', () => {
    const some = graph('', 'a', [['NonZero', 'x', 'a']]);
    expect(branches(known(1), value(['n']), some, same)).toMatchObject({ shape: [1, '_y.0.1'], dtype: 'int64' });
    expect(branches(unknown, value(['n']), some, some)).toMatchObject({ shape: [1, '_y.0.1'], fresh: ['_y.0.1'] });
  });

  it('carries shape arithmetic out of the branch that is taken', () => {
    const shape = graph('', 'a', [['Shape', 'x', 'a']]);
    expect(branches(known(1), value(['n', 2]), shape, same).contents).toEqual(['n', 2]);
    expect(branches(unknown, value(['n', 2]), shape, shape).contents).toBeUndefined();
  });

  it('takes an axis that is squeezed away or not to be 1', () => {
    const squeezed = graph('', 'a', [['Squeeze', 'x -1', 'a']]);
    expect(branches(unknown, value(['n', 't']), same, squeezed).shape).toEqual(['n']);
  });

  it('rejects branches of other dtypes or numbers of outputs', () => {
    const size = graph('', 'a', [['Size', 'x', 'a']]);
    expect(() => branches(unknown, value([]), same, size)).toThrow(/float32\[\] and int64\[\] as output 0/);
    expect(() => branches(unknown, value([]), same, { ...same, outputs: ['a', 'a'] })).toThrow(/has 2 outputs, not 1/);
  });
});

const loop = (body: Graph, initial: readonly ValueFacts[], outputs: number) =>
  infer('Loop', [ints([3], []), undefined, ...initial], { body }, { outputs });

describe('Loop', () => {
  const own = { i: 'int64', go: 'bool' } as const;

  it('keeps carried sizes that stay, and stacks the rest over a number of iterations of its own', () => {
    const body = graph(
      'i go s',
      'go t u',
      [
        ['Relu', 's', 't'],
        ['Unsqueeze', 't 0', 'u'],
      ],
      own,
    );
    const [last, all] = loop(body, [value(['n', 3])], 2);
    expect(last!.shape).toEqual(['n', 3]);
    expect(all).toMatchObject({ shape: ['_y1.1.0', 1, 'n', 3], fresh: ['_y1.1.0'] });
  });

  it('gives carried sizes that change a symbol', () => {
    const body = graph('i go s', 'go t', [['Concat', 's s', 't', { axis: 0 }]], own);
    expect(loop(body, [value([1, 'n'])], 1)[0]).toMatchObject({ shape: ['_y0.0.0', 'n'], fresh: ['_y0.0.0'] });
  });

  it('sees changes that other changes bring', () => {
    // s grows, and t takes the size that s had before: the change reaches it in the second pass.
    const body = graph(
      'i go s t',
      'go s2 t2',
      [
        ['Concat', 's s', 's2', { axis: 0 }],
        ['Identity', 's', 't2'],
      ],
      own,
    );
    expect(loop(body, [value([2]), value([2])], 2).map((y) => y.shape)).toEqual([['_y0.0.0'], ['_y1.1.0']]);
  });

  it('does not let out sizes that differ between iterations', () => {
    const body = graph('i go s', 'go t t', [['Concat', 's s', 't', { axis: 0 }]], own);
    const [, stacked] = loop(body, [value([1])], 2);
    expect(stacked!.shape).toEqual(['_y1.1.0', '_y1.1.1']);
  });

  it('rejects bodies that change a dtype or a rank', () => {
    expect(() => loop(graph('i go s', 'go t', [['Size', 's', 't']], own), [value([2])], 1)).toThrow(
      /from float32 to int64/,
    );
    expect(() => loop(graph('i go s', 'go t', [['Unsqueeze', 's 0', 't']], own), [value([2])], 1)).toThrow(
      /makes \[1,2\]/,
    );
    expect(() => loop(graph('i go s', 'go', [], own), [value([2])], 1)).toThrow(/its body has 1 outputs/);
  });

  it('rejects subgraphs that nest without end', () => {
    let body = graph('i go s', 'go s', [], own);
    for (let depth = 0; depth < 12; depth++) {
      const node: Node = {
        name: `l${depth}`,
        op: 'Loop',
        domain: '',
        inputs: ['', '', 's'],
        outputs: ['t'],
        attrs: { body },
      };
      body = { ...graph('i go s', 'go t', [], own), nodes: [node] };
    }
    expect(() => loop(body, [value([2])], 1)).toThrow(/nest deeper/);
  });
});

describe('Scan', () => {
  const scan = (initial: readonly Dim[], scanned: readonly Dim[], attrs: Node['attrs'] = {}) =>
    infer(
      'Scan',
      [value(initial), value(scanned)],
      { body: graph('s e', 't t', [['Add', 's e', 't']]), num_scan_inputs: 1, ...attrs },
      { outputs: 2 },
    ).map((y) => y.shape);

  it('runs over an axis and stacks along one', () => {
    expect(scan(['b'], ['t', 'b'])).toEqual([['b'], ['t', 'b']]);
    expect(scan(['b'], ['b', 't'], { scan_input_axes: [-1], scan_output_axes: [-1] })).toEqual([['b'], ['b', 't']]);
  });

  it('rejects lists that do not fit', () => {
    expect(() => scan(['b'], ['t', 'b'], { scan_input_axes: [0, 1] })).toThrow(
      /scan_input_axes" has 2 elements, not 1/,
    );
    expect(() => scan(['b'], ['t', 'b'], { num_scan_inputs: 3 })).toThrow(/scans 3 of 2 inputs/);
  });
});
