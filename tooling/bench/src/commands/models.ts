/** Times one model after the other in both engines, and puts what came of it in one table. */

import { readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { median } from '../statistics.ts';
import { seconds, table } from '../text.ts';
import { type CompareOptions, type Comparison, compare } from './compare.ts';

/** Models with convolutions that need no file. */
const made = ['mobilenetv2', 'resnet50'];

/** The models, folders opened; without any, those that are made here and those in the folder of fixtures, where there is one. */
export function modelNames(given: readonly string[], fixtures: string | undefined): string[] {
  const inFolder = (folder: string): string[] =>
    readdirSync(folder)
      .filter((file) => file.endsWith('.onnx'))
      .sort()
      .map((file) => join(folder, file));
  if (given.length === 0) return [...made, ...(fixtures ? inFolder(join(fixtures, 'models')) : [])];
  return given.flatMap((name) => (statSync(name, { throwIfNoEntry: false })?.isDirectory() ? inFolder(name) : [name]));
}

/** @param tell what each comparison says is told as soon as it is there */
export async function compareModels(
  names: readonly string[],
  threads: readonly number[],
  options: Omit<CompareOptions, 'threads'>,
  tell: (row: readonly string[]) => void,
): Promise<Comparison[]> {
  const results: Comparison[] = [];
  for (const name of names)
    for (const count of threads) {
      const result = await compare(name, { ...options, threads: count });
      results.push(result);
      tell(rowOf(result));
    }
  return results;
}

const headings = [
  'model',
  'threads',
  'espalier',
  'onnxruntime',
  'medians',
  'least',
  'processor',
  'outputs',
  'elsewhere',
];

/** Ops whose kernels are not the first backend's; what the runtime itself does is no kernel. */
export function elsewhere({ nodes, backend }: Pick<Comparison, 'nodes' | 'backend'>): string[] {
  const others = nodes.filter(({ kernel }) => ![backend, 'runtime'].includes(kernel.split('/')[0]!));
  return [...new Set(others.map(({ op }) => op))];
}

function rowOf(result: Comparison): string[] {
  const { ours, theirs, wall, cpu, isRight } = result;
  const ratio = (value: number | undefined): string => (value === undefined ? '' : `${value.toFixed(2)}x`);
  return [
    basename(result.model, '.onnx'),
    String(result.threads),
    seconds(ours.leastSeconds),
    theirs ? seconds(theirs.leastSeconds) : '',
    ratio(wall?.ofMedians),
    ratio(wall?.ofLeast),
    ratio(cpu),
    isRight === undefined ? '' : isRight ? 'agree' : 'DIFFER',
    elsewhere(result).join(' ') || 'none',
  ];
}

export function modelsText(results: readonly Comparison[]): string {
  const ratios = results.flatMap(({ wall }) => (wall ? [wall.ofLeast] : []));
  const summary = ratios.length > 0 ? `\n\nmedian ratio of least times ${median(ratios).toFixed(2)}x` : '';
  return table([headings, ...results.map(rowOf)]) + summary;
}
