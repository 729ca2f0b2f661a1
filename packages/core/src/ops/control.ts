/** If, Loop and Scan: what their outputs are, from what their subgraphs make. The runtime executes them. */

import { formatType, hideSizes, joinContainers, kindOf, widerContainer } from '../container.ts';
import { type Dim, dim } from '../dim.ts';
import { allDTypes } from '../dtype.ts';
import { type Graph, isGraph, subgraphs, type ValueType } from '../graph.ts';
import type { Inference } from '../schema.ts';
import { formatShape, normalizeAxis } from '../shape.ts';
import { common } from './contents.ts';
import { attr, op, params, schemas, valueKinds } from './define.ts';

/** Subgraphs in subgraphs; each level may infer the one within three times. */
const MAX_DEPTH = 8;

export function graphOf(c: Inference, name: string): Graph {
  const graph = c.attrs[name];
  if (!isGraph(graph)) c.fail(`its attribute "${name}" is not a graph`);
  if (depthOf(graph) > MAX_DEPTH) c.unsupported(`subgraphs nest deeper than ${MAX_DEPTH}`);
  return graph;
}

function depthOf(graph: Graph): number {
  let depth = 0;
  for (const node of graph.nodes) for (const [, inner] of subgraphs(node)) depth = Math.max(depth, depthOf(inner));
  return depth + 1;
}

/** True when an output is a Squeeze (or the Reshape that passes make of one). */
function isSqueezed({ nodes, outputs }: Graph, index: number): boolean {
  const producer = nodes.find((node) => node.outputs.includes(outputs[index]));
  return producer?.op === 'Squeeze' || producer?.op === 'Reshape';
}

const mentions = (symbols: ReadonlySet<Dim>, d: Dim): boolean => dim.symbols(d).some((symbol) => symbols.has(symbol));

function branch(c: Inference): void {
  const condition = c.contents(0)?.[0];
  const isKnown = typeof condition === 'number';
  const names = isKnown ? [condition ? 'then_branch' : 'else_branch'] : ['then_branch', 'else_branch'];
  const results = names.map((name) => {
    const graph = graphOf(c, name);
    return { name, graph, ...c.subgraph(graph, []) };
  });
  const hidden = new Set(results.flatMap(({ fresh }) => [...fresh]));
  for (const { name, outputs } of results)
    if (outputs.length !== c.outputCount) c.fail(`its ${name} has ${outputs.length} outputs, not ${c.outputCount}`);
  for (let i = 0; i < c.outputCount; i++) {
    // Exporters write a Squeeze of an axis that may not be 1 as an If whose branches differ in rank. Ranks are certain
    // here, so that axis is taken to be 1: a run where it is not ends with the shape that was expected and the one made.
    const [[a, lower], [b] = []] = results
      .map(({ outputs, graph }) => [outputs[i], graph] as const)
      .sort(([x], [y]) => x.shape.length - y.shape.length);
    if (b && (a.dtype !== b.dtype || kindOf(a) !== kindOf(b)))
      c.fail(`its branches make ${formatType(a)} and ${formatType(b)} as output ${i}`);
    if (a.container) {
      const containers = results.map(({ outputs }) => hideSizes(outputs[i].container!, hidden));
      c.output(i, [], { dtype: a.dtype, container: containers.reduce(joinContainers) });
      continue;
    }
    if (b && b.shape.length !== a.shape.length && !isSqueezed(lower, i))
      c.unsupported(
        `its branches make ${formatShape(a.shape)} and ${formatShape(b.shape)} as output ${i}, of other ranks`,
      );
    const other = b?.shape.length === a.shape.length ? b.shape : a.shape;
    const isOpen = (d: Dim, axis: number): boolean => dim.equal(d, other[axis]) !== true || mentions(hidden, d);
    const shape = a.shape.map((d, axis) => (isOpen(d, axis) ? c.fresh(i, axis) : d));
    const keep = isKnown && !a.contents?.some((d) => mentions(hidden, d));
    c.output(i, shape, { dtype: a.dtype, contents: keep ? a.contents : undefined });
  }
}

interface Iterated {
  readonly carried: readonly ValueType[];
  /** The body's outputs after the carried ones. */
  readonly others: readonly ValueType[];
  /** Symbols that differ from one iteration to the next, or stay inside. */
  readonly hidden: ReadonlySet<Dim>;
}

/**
 * Infers a body that is run again on what it makes: carried sizes that an iteration changes become symbols, carried sequences
 * what holds the tensors of all iterations.
 */
function iterate(
  c: Inference,
  body: Graph,
  initial: readonly ValueType[],
  inputs: (carried: readonly ValueType[]) => readonly ValueType[],
  outputsBefore: number,
): Iterated {
  let carried = initial.map(({ dtype, shape, container }): ValueType => ({ dtype, shape, container }));
  const changing = new Set<Dim>();
  for (let pass = 0; ; pass++) {
    const { outputs, fresh } = c.subgraph(body, inputs(carried));
    const made = outputs.slice(outputsBefore);
    if (made.length < carried.length || made.length < c.outputCount)
      c.fail(
        `its body has ${outputs.length} outputs for ${carried.length} carried values and ${c.outputCount} outputs`,
      );
    const inside = new Set<Dim>([...fresh, ...changing]);
    const containers = carried.map(({ container }, i) => {
      if (!container || !made[i].container) return container;
      const wider = widerContainer(container, hideSizes(made[i].container, inside), pass > 0);
      if (wider !== container && pass > 1) c.unsupported(`its body makes ${formatType(made[i])} of carried value ${i}`);
      return wider;
    });
    const changes = carried.map(({ dtype, shape, container }, i) => {
      if (made[i].dtype !== dtype) c.fail(`its body turns carried value ${i} from ${dtype} to ${made[i].dtype}`);
      if (kindOf(made[i]) !== kindOf({ container }))
        c.unsupported(`its body makes ${formatType(made[i])} of carried value ${i}, ${formatType(carried[i])} before`);
      if (made[i].shape.length !== shape.length)
        c.unsupported(
          `its body makes ${formatShape(made[i].shape)} of carried value ${i}, ${formatShape(shape)} before`,
        );
      return shape.map((d, axis) => !changing.has(d) && dim.equal(d, made[i].shape[axis]) !== true);
    });
    if (!changes.flat().includes(true) && containers.every((container, i) => container === carried[i].container))
      return { carried, others: made.slice(carried.length), hidden: inside };
    // Where a change brings another, all sizes are taken as changing: then the next pass is the last.
    carried = carried.map(({ dtype, shape }, i) => ({
      dtype,
      container: containers[i],
      shape: shape.map((d, axis) => (changing.has(d) || !(changes[i][axis] || pass > 0) ? d : c.fresh(i, axis))),
    }));
    carried.forEach(({ shape }, i) => {
      shape.forEach((d, axis) => void (d !== initial[i].shape[axis] && changing.add(d)));
    });
  }
}

/** Says the carried values, then what is stacked over iterations: `stack` puts their number into a shape. */
function sayIterated(
  c: Inference,
  { carried, others, hidden }: Iterated,
  stack: (shape: readonly Dim[], i: number) => readonly Dim[],
): void {
  carried.forEach(({ dtype, shape, container }, i) => void c.output(i, shape, { dtype, container }));
  others.forEach(({ dtype, shape, container }, i) => {
    const output = carried.length + i;
    if (container)
      c.fail(`its body gives out ${formatType({ dtype, shape, container })} to be stacked as output ${output}`);
    const open = shape.map((d, axis) => (mentions(hidden, d) ? c.fresh(output, 1 + axis) : d));
    c.output(output, stack(open, i), { dtype });
  });
}

function loop(c: Inference): void {
  const initial = Array.from({ length: Math.max(0, c.inputCount - 2) }, (_, i) => c.input(2 + i));
  const own: readonly ValueType[] = [
    { dtype: 'int64', shape: [] },
    { dtype: 'bool', shape: [] },
  ];
  const iterated = iterate(c, graphOf(c, 'body'), initial, (carried) => [...own, ...carried], 1);
  const trips = iterated.others.length > 0 ? c.fresh(initial.length, 0) : 0;
  sayIterated(c, iterated, (shape) => [trips, ...shape]);
}

function scan(c: Inference): void {
  const scanned = c.int('num_scan_inputs');
  const states = c.inputCount - scanned;
  if (scanned < 1 || states < 0) c.fail(`scans ${scanned} of ${c.inputCount} inputs`);
  const list = (name: string, length: number): readonly number[] => {
    const given = c.maybeInts(name) ?? new Array<number>(length).fill(0);
    return given.length === length
      ? given
      : c.fail(`its attribute "${name}" has ${given.length} elements, not ${length}`);
  };
  list('scan_input_directions', scanned);
  let length: Dim | undefined;
  const elements = list('scan_input_axes', scanned).map((given, i): ValueType => {
    const { dtype, shape } = c.input(states + i);
    const axis = normalizeAxis(given, shape.length);
    length = common(c, length ?? shape[axis], shape[axis], `the length of its scan input ${i}`);
    return { dtype, shape: shape.toSpliced(axis, 1) };
  });
  const initial = Array.from({ length: states }, (_, i) => c.input(i));
  const iterated = iterate(c, graphOf(c, 'body'), initial, (carried) => [...carried, ...elements], 0);
  const axes = list('scan_output_axes', iterated.others.length);
  list('scan_output_directions', iterated.others.length);
  sayIterated(c, iterated, (shape, i) => shape.toSpliced(normalizeAxis(axes[i], shape.length + 1), 0, length!));
}

const later = [16, 19, 21, 23, 24, 25];
const types = { V: allDTypes, B: ['bool'], I: ['int64'] } as const;
const kinds = { V: valueKinds };

export const controlFlow = schemas(() => [
  op('If', [1, 11, 13, ...later], {
    widened: [11, 13, ...later],
    types,
    inputs: params('cond:B'),
    outputs: params('...~outputs:V'),
    attributes: { then_branch: attr.required('graph'), else_branch: attr.required('graph') },
    infer: branch,
  }),
  op('Loop', [1, 11, 13, ...later], {
    widened: [11, 13, ...later],
    types,
    kinds,
    inputs: params('M?:I', 'cond?:B', '...~v_initial?:V'),
    outputs: params('...~v_final_and_scan_outputs?:V'),
    attributes: { body: attr.required('graph') },
    infer: loop,
  }),
  op('Scan', [8, 9, 11, ...later], {
    widened: [11, ...later],
    types,
    inputs: params('...~initial_state_and_scan_inputs:V'),
    outputs: params('...~final_state_and_scan_outputs:V'),
    attributes: {
      body: attr.required('graph'),
      num_scan_inputs: attr.required('int'),
      scan_input_axes: attr.ints(),
      scan_input_directions: attr.ints(),
      scan_output_axes: attr.ints(),
      scan_output_directions: attr.ints(),
    },
    infer: scan,
  }),
]);
