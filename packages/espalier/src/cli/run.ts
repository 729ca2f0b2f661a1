/** `espalier run`: one run, outputs printed. */

import { elements, isSequence, type Tensor, type Value } from '@espalier/core';
import type { NodeTiming, SessionRunOptions } from '@espalier/runtime';
import { type FeedOptions, readFeeds, toJson } from './feeds.ts';
import { loadModel, type ModelOptions, print } from './model.ts';

interface RunFlags extends ModelOptions, FeedOptions {
  readonly fetch?: readonly string[];
  readonly times?: boolean;
}

export async function runModel(model: string, flags: RunFlags): Promise<void> {
  await using session = await loadModel(model, flags);
  const timings: NodeTiming[] = [];
  const options: SessionRunOptions = flags.times ? { onNode: (timing) => void timings.push(timing) } : {};
  const outputs = await session.run<Value>(readFeeds(session, flags), flags.fetch ?? session.outputNames, options);
  if (flags.json)
    print(JSON.stringify(Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, toJson(value)]))));
  else for (const [name, value] of Object.entries(outputs)) print(linesOf(name, value).join('\n'));
  for (const { node, op, backend, kernel, seconds } of timings)
    process.stderr.write(`${(seconds * 1e3).toFixed(3).padStart(10)} ms  ${backend}/${kernel}  ${op}  ${node}\n`);
}

function linesOf(name: string, value: Value): string[] {
  if (value === null) return [`${name}  empty`];
  if (!isSequence(value)) return [`${name}  ${textOf(value)}`];
  return [`${name}  a sequence of ${value.length}`, ...value.map((tensor, i) => `${name}[${i}]  ${textOf(tensor)}`)];
}

function textOf(tensor: Tensor): string {
  const all = elements(tensor);
  const shown = all.slice(0, 10).map((x) => (typeof x === 'number' ? Number(x.toPrecision(6)) : x));
  const more = all.length > 10 ? ` ... (${all.length} in all)` : '';
  return `${tensor.type}[${tensor.dims}]  ${shown.join(' ')}${more}`;
}
