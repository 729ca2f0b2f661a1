/** What is in a model's weights, tensor by tensor: zeros, blocks and patterns of them, repeated values. */

import { type DType, dtypes, formatShape, type Graph, subgraphs } from '@espalier/core';
import { rowMajor, type Statistics, statistics, weightsOf } from '@espalier/formats';

export interface Structure {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly elements: number;
  /** Absent for strings. */
  readonly structure?: Statistics;
}

/** Every constant of the graph and of the bodies in it; weights of products and convolutions are read as outputs by inputs. */
export async function structuresOf(graph: Graph): Promise<Structure[]> {
  const matrices = new Map(weightsOf(graph).map((weight) => [weight.name, weight.matrices]));
  const found: Structure[] = [];
  for (const [name, tensor] of graph.constants) {
    const { type: dtype, dims: shape, size: elements } = tensor;
    const read = { matrices: matrices.get(name) ?? rowMajor(shape) };
    const structure = dtype === 'string' ? {} : { structure: await statistics(tensor, read) };
    found.push({ name, dtype, shape, elements, ...structure });
  }
  for (const node of graph.nodes) for (const [, body] of subgraphs(node)) found.push(...(await structuresOf(body)));
  return found;
}

/** All tensors of a dtype together. */
export interface Total {
  readonly dtype: DType;
  readonly tensors: number;
  readonly elements: number;
  readonly megabytes: number;
  /** Share of elements that are zero. */
  readonly zeros: number;
}

export function totalsOf(all: readonly Structure[]): Total[] {
  return [...new Set(all.map(({ dtype }) => dtype))].map((dtype) => {
    const tensors = all.filter((each) => each.dtype === dtype);
    const elements = tensors.reduce((sum, each) => sum + each.elements, 0);
    const zeros = tensors.reduce((sum, each) => sum + (each.structure ? zerosOf(each.structure) : 0), 0);
    const megabytes = (elements * dtypes[dtype].bits) / 8e6;
    return { dtype, tensors: tensors.length, elements, megabytes, zeros: elements > 0 ? zeros / elements : 0 };
  });
}

const zerosOf = ({ elements, nonzeros }: Statistics): number => elements - nonzeros;

/** A line for each tensor of two axes or more. */
export function tableOf(all: readonly Structure[]): string[] {
  const percent = (part: number, of: number): string => (of === 0 ? '-' : `${((100 * part) / of).toFixed(1)}%`);
  const rows = all.flatMap(({ name, dtype, shape, structure }) => {
    if (shape.length < 2 || !structure) return [];
    const { elements, blocks, patterns, distinct } = structure;
    const shares = (['1x4', '16x4'] as const).map((block) => percent(blocks[block].nonzero, blocks[block].total));
    const zeros = percent(zerosOf(structure), elements);
    return [[`${dtype}${formatShape(shape)}`, zeros, ...shares, patterns.join(' '), String(distinct ?? ''), name]];
  });
  if (rows.length === 0) return [];
  const head = ['', 'zeros', '1x4', '16x4', 'pattern', 'values', 'name'];
  const lines = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const isText = (column: number): boolean => column === 0 || column === 4 || column === 6;
  const text = (line: readonly string[]): string =>
    line.map((cell, i) => (isText(i) ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  ');
  return [
    '  1x4, 16x4: blocks (outputs x inputs) that are not all zero; values: how many different ones, where they are few',
    ...lines.map((line) => `  ${text(line)}`.trimEnd()),
  ];
}
