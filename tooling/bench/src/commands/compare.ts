/** Times a model in Espalier and in onnxruntime, in turns, and says where the time goes in both. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Rates } from '@espalier/core';
import { type Difference, difference } from '@espalier/peers';
import { type EngineClient, startEngine } from '../engines/client.ts';
import { fromSent, type NodeTime, type Opened, type Timed } from '../engines/engine.ts';
import { type Kind, kinds } from '../engines/kinds.ts';
import { enginesOf, open, type PeerOptions, withModel } from '../engines/process.ts';
import { arithmeticLimit } from '../limits.ts';
import type { Feeds } from '../models/index.ts';
import type { PreparedModel } from '../prepare.ts';
import { median, type Ratio, ratioOf } from '../statistics.ts';
import { bytes, percent, seconds, table } from '../text.ts';

export interface CompareOptions extends PeerOptions {
  readonly rounds: number;
}

export interface KindTime {
  readonly kind: Kind;
  readonly nodes: number;
  readonly seconds: number;
  /** What the planner said of it. */
  readonly predicted: number;
  /** Billions of operations a second, a multiply-add being two; for kinds that are arithmetic. */
  readonly gops?: number;
  /** Share of the machine's limit that the arithmetic reaches. */
  readonly ofLimit?: number;
  readonly gbytes: number;
  readonly theirs?: number;
}

export interface Comparison {
  readonly model: string;
  readonly precision: string;
  readonly ask: string;
  readonly threads: number;
  /** Espalier's first backend. */
  readonly backend: string;
  readonly fileBytes: number;
  readonly sizes: Readonly<Record<string, number>>;
  readonly ours: Summary;
  readonly theirs?: Summary;
  /** Their time over ours. */
  readonly wall?: Ratio;
  /** Their processor time over ours: steadier than the clock where others use the machine, with one thread. */
  readonly cpu?: number | undefined;
  readonly difference?: Difference;
  /** From what the model gave before it was quantised. */
  readonly fromFloat?: { readonly ours: Difference; readonly theirs: Difference };
  readonly isRight?: boolean;
  readonly rates: Readonly<Record<string, Rates>>;
  readonly predicted: number;
  readonly kinds: readonly KindTime[];
  readonly nodes: readonly NodeTime[];
  readonly theirNodes: readonly NodeTime[];
}

interface Summary {
  readonly medianSeconds: number;
  readonly leastSeconds: number;
  /** Unknown in a page. */
  readonly cpuSeconds?: number | undefined;
  readonly openSeconds: number;
}

/** A round lasts about as long, and has at least one run. */
const ROUND_SECONDS = 0.4;
/** Threads of a pool spin for a while after a run: they must not do so beside the other engine's. */
const PAUSE_MS = 60;
const PROFILED_RUNS = 5;

/** Root mean square of the differences, relative to the results, above which results are wrong. */
const TOLERANCE = { fp32: 1e-4, 'int8-weights': 1e-4, 'int8-dynamic': 1e-4, 'int8-static': 1e-4 };
/**
 * An integer that is rounded the other way, because a sum had another order, moves all layers behind. So integers are also
 * right where they are not much farther from the model's own floats than the other engine's.
 */
const AS_NEAR = 1.25;
/** For files that were quantised before, and products that are rounded to bfloat16. */
const ROUNDED = 5e-2;

export function compare(name: string, options: CompareOptions): Promise<Comparison> {
  return withModel(name, options, async (model) => {
    const clients: EngineClient[] = [];
    try {
      for (const engine of enginesOf(options)) clients.push(await startEngine(engine, options.place));
      return await measure(name, model, clients, options);
    } finally {
      for (const client of clients) await client.stop();
    }
  });
}

async function measure(
  name: string,
  model: PreparedModel,
  clients: readonly EngineClient[],
  options: CompareOptions,
): Promise<Comparison> {
  const opened: Opened[] = [];
  for (const client of clients) opened.push(await open(client, model, options));
  const outputs = [];
  for (const client of clients) outputs.push(fromSent(await client.run()));
  const runs: number[] = [];
  for (const client of clients) runs.push(await runsPerRound(client));

  const rounds = clients.map((): Timed[] => []);
  for (let round = 0; round < options.rounds; round++) {
    const order = clients.map((_, i) => (i + round) % clients.length);
    for (const i of order) {
      await sleep(PAUSE_MS);
      rounds[i]!.push(await clients[i]!.time(runs[i]!));
    }
  }
  const nodes: (readonly NodeTime[])[] = [];
  for (const client of clients) nodes.push(await client.nodes(PROFILED_RUNS));

  const [ours, theirs] = rounds.map((timed, i) => summarize(timed, opened[i]!));
  const [a, b] = rounds.map((timed) => timed.map(({ wall }) => wall));
  const rates = opened[0]!.rates ?? {};
  const [own, other] = outputs;
  const apart = other && worst(own!, other);
  const fromFloat = other && model.float && { ours: worst(own!, model.float), theirs: worst(other, model.float) };
  const isQuantizedFile = !model.float && model.graph.nodes.some(({ op }) => /^(Dynamic)?QuantizeLinear$/.test(op));
  const isRounded = isQuantizedFile || options.ask === 'bfloat16';
  const isNear = (apart?.typical ?? 0) <= (isRounded ? ROUNDED : TOLERANCE[options.precision]);
  const isAsNear = fromFloat !== undefined && fromFloat.ours.typical <= AS_NEAR * fromFloat.theirs.typical;
  return {
    model: name,
    precision: options.precision,
    ask: options.ask,
    threads: options.threads,
    backend: options.backends[0]!,
    fileBytes: model.bytes,
    sizes: model.sizes,
    ours: ours!,
    ...(theirs ? { theirs, wall: ratioOf(a!, b!), cpu: overIf(theirs.cpuSeconds, ours!.cpuSeconds) } : {}),
    ...(apart ? { difference: apart, isRight: isNear || isAsNear } : {}),
    ...(fromFloat ? { fromFloat } : {}),
    rates,
    predicted: opened[0]!.predicted ?? 0,
    kinds: byKind(nodes[0]!, nodes[1]?.length ? nodes[1] : undefined, rates),
    nodes: nodes[0]!,
    theirNodes: nodes[1] ?? [],
  };
}

async function runsPerRound(client: EngineClient): Promise<number> {
  const { wall } = await client.time(2);
  return Math.max(1, Math.min(200, Math.round(ROUND_SECONDS / Math.min(...wall))));
}

function summarize(timed: readonly Timed[], { seconds: openSeconds }: Opened): Summary {
  const wall = timed.flatMap((round) => round.wall);
  const cpu = timed.flatMap((round) => round.cpu ?? []);
  return {
    medianSeconds: median(wall),
    leastSeconds: Math.min(...wall),
    cpuSeconds: cpu.length > 0 ? median(cpu) : undefined,
    openSeconds,
  };
}

const overIf = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? undefined : a / b;

function worst(ours: Feeds, theirs: Feeds): Difference {
  const each = Object.entries(theirs).map(([name, expected]) => difference(ours[name]!, expected));
  return {
    largest: Math.max(...each.map(({ largest }) => largest)),
    typical: Math.max(...each.map(({ typical }) => typical)),
  };
}

/** Kinds whose multiply-adds are those of the mathematics, not guesses at a function's cost. */
const isArithmetic = new Set<Kind>(['product', 'convolution', 'attention']);

export function byKind(
  nodes: readonly NodeTime[],
  theirs: readonly NodeTime[] | undefined,
  rates: Readonly<Record<string, Rates>>,
): KindTime[] {
  const sum = (list: readonly NodeTime[], of: (node: NodeTime) => number): number =>
    list.reduce((total, node) => total + of(node), 0);
  const found = kinds.map((kind): KindTime => {
    const own = nodes.filter((node) => node.kind === kind);
    const spent = sum(own, (node) => node.seconds);
    const macs = sum(own, (node) => node.macs ?? 0);
    const least = sum(own, (node) => {
      const [backend = '', kernel = ''] = node.kernel.split('/');
      return (node.macs ?? 0) / (arithmeticLimit(kernel, rates[backend]) ?? Number.POSITIVE_INFINITY);
    });
    return {
      kind,
      nodes: own.length,
      seconds: spent,
      predicted: sum(own, (node) => node.predicted ?? 0),
      ...(isArithmetic.has(kind) && spent > 0 ? { gops: (2 * macs) / spent / 1e9, ofLimit: least / spent } : {}),
      gbytes: spent > 0 ? sum(own, (node) => node.bytes ?? 0) / spent / 1e9 : 0,
      ...(theirs
        ? {
            theirs: sum(
              theirs.filter((node) => node.kind === kind),
              (node) => node.seconds,
            ),
          }
        : {}),
    };
  });
  return found
    .filter(({ nodes: count, theirs: other = 0 }) => count > 0 || other > 0)
    .sort((a, b) => Math.max(b.seconds, b.theirs ?? 0) - Math.max(a.seconds, a.theirs ?? 0));
}

export function compareText(result: Comparison, detail: number): string {
  const { ours, theirs, wall, cpu, difference: apart, fromFloat } = result;
  const sizes = Object.entries(result.sizes).map(([name, value]) => `${name}=${value}`);
  const lines = [
    `${result.model} ${result.precision}${result.ask === 'float32' ? '' : `, espalier asked for ${result.ask}`}, ${sizes.join(' ')}, ${result.threads} thread(s), file ${bytes(result.fileBytes)}`,
    `espalier     ${timesOf(ours)}; predicted ${seconds(result.predicted)}; opened in ${seconds(ours.openSeconds)}`,
  ];
  if (theirs && wall && apart) {
    lines.push(
      `onnxruntime  ${timesOf(theirs)}; opened in ${seconds(theirs.openSeconds)}`,
      `ratio of medians ${wall.ofMedians.toFixed(2)}x (rounds ${wall.spread.map((r) => r.toFixed(2)).join(' to ')}), of least times ${wall.ofLeast.toFixed(2)}x${cpu === undefined ? '' : `, of processor times ${cpu.toFixed(2)}x`}`,
      `outputs ${result.isRight ? 'agree' : 'DIFFER'}: ${distance(apart)}`,
      ...(fromFloat
        ? [`  from the floats before: espalier ${distance(fromFloat.ours)}, onnxruntime ${distance(fromFloat.theirs)}`]
        : []),
    );
  }
  const total = result.kinds.reduce((sum, kind) => sum + kind.seconds, 0);
  const number = (value: number | undefined, format: (value: number) => string): string =>
    value === undefined || !(value > 0) ? '' : format(value);
  lines.push(
    '',
    table([
      ['kind', 'nodes', 'espalier', 'share', 'predicted', 'GOP/s', 'of limit', 'GB/s', 'onnxruntime', 'ratio'],
      ...result.kinds.map((kind) => [
        kind.kind,
        String(kind.nodes),
        seconds(kind.seconds),
        percent(kind.seconds / total),
        seconds(kind.predicted),
        number(kind.gops, (x) => x.toFixed(0)),
        number(kind.ofLimit, percent),
        number(kind.gbytes, (x) => x.toFixed(1)),
        number(kind.theirs, seconds),
        number(kind.theirs && kind.theirs / kind.seconds, (x) => (Number.isFinite(x) ? `${x.toFixed(2)}x` : '')),
      ]),
    ]),
    '',
    nodeTable('espalier', result.nodes, detail),
  );
  if (result.theirNodes.length > 0) lines.push('', nodeTable('onnxruntime', result.theirNodes, detail));
  return lines.join('\n');
}

const timesOf = ({ medianSeconds, leastSeconds, cpuSeconds }: Summary): string =>
  [
    `median ${seconds(medianSeconds)}, least ${seconds(leastSeconds)}`,
    ...(cpuSeconds === undefined ? [] : [`processor ${seconds(cpuSeconds)}`]),
  ].join(', ');

/** Relative to the mean square and to the largest of what is expected. */
const distance = ({ typical, largest }: Difference): string =>
  `${typical.toExponential(1)} (at most ${largest.toExponential(1)})`;

/** The ops that take longest, equal ones together. */
function nodeTable(engine: string, nodes: readonly NodeTime[], count: number): string {
  const groups = new Map<string, { count: number; seconds: number; predicted: number }>();
  for (const { op, kernel, seconds: spent, predicted = 0 } of nodes) {
    const key = kernel === op ? op : `${op}  ${kernel}`;
    const group = groups.get(key) ?? { count: 0, seconds: 0, predicted: 0 };
    groups.set(key, {
      count: group.count + 1,
      seconds: group.seconds + spent,
      predicted: group.predicted + predicted,
    });
  }
  const longest = [...groups].sort(([, a], [, b]) => b.seconds - a.seconds).slice(0, count);
  return table([
    [`${engine}: op and kernel`, 'nodes', 'time', 'predicted'],
    ...longest.map(([key, group]) => [
      key,
      String(group.count),
      seconds(group.seconds),
      group.predicted > 0 ? seconds(group.predicted) : '',
    ]),
  ]);
}
