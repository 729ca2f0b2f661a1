/** `espalier bench`: how long a model takes here, in all and by kind of node. */

import { type FeedOptions, readFeeds } from './feeds.ts';
import { loadModel, type ModelOptions, print } from './model.ts';

interface BenchFlags extends ModelOptions, FeedOptions {
  readonly runs: number;
}

export async function bench(model: string, flags: BenchFlags): Promise<void> {
  const started = performance.now();
  await using session = await loadModel(model, flags);
  const loaded = performance.now();
  const feeds = readFeeds(session, flags);
  await session.run(feeds);
  const first = performance.now();
  const times: number[] = [];
  const spent = new Map<string, { seconds: number; calls: number }>();
  let due = performance.now() + 1000;
  for (let i = 0; i < flags.runs; i++) {
    const before = performance.now();
    await session.run(feeds);
    times.push(performance.now() - before);
    if (performance.now() > due) {
      process.stderr.write(`run ${i + 1} of ${flags.runs} ...\n`);
      due = performance.now() + 1000;
    }
  }
  // Apart from the timed runs, because asking for each node's time may cost a little.
  await session.run(feeds, {
    onNode: ({ op, backend, kernel, seconds }) => {
      const key = `${op}  ${backend}/${kernel}`;
      const sum = spent.get(key) ?? { seconds: 0, calls: 0 };
      spent.set(key, { seconds: sum.seconds + seconds, calls: sum.calls + 1 });
    },
  });
  times.sort((a, b) => a - b);
  const at = (quantile: number): number => times[Math.min(times.length - 1, Math.floor(quantile * times.length))]!;
  const kinds = [...spent]
    .map(([kind, { seconds, calls }]) => ({ kind, calls, ms: seconds * 1e3 }))
    .sort((a, b) => b.ms - a.ms);
  const result = {
    model,
    runs: flags.runs,
    loadMs: loaded - started,
    firstRunMs: first - loaded,
    medianMs: at(0.5),
    p10Ms: at(0.1),
    p90Ms: at(0.9),
    predictedMs: session.explain().seconds * 1e3,
    kinds,
  };
  if (flags.json) {
    print(JSON.stringify(result, null, 2));
    return;
  }
  const ms = (value: number): string => `${value.toFixed(3)} ms`;
  print(
    `${model}: median ${ms(result.medianMs)} of ${flags.runs} runs (p10 ${ms(result.p10Ms)}, p90 ${ms(result.p90Ms)}; predicted ${ms(result.predictedMs)})`,
  );
  print(`load ${ms(result.loadMs)}, first run ${ms(result.firstRunMs)}`);
  const total = kinds.reduce((sum, kind) => sum + kind.ms, 0);
  for (const { kind, calls, ms: spentMs } of kinds)
    print(
      `${ms(spentMs).padStart(14)}  ${((100 * spentMs) / total).toFixed(1).padStart(5)}%  ${String(calls).padStart(4)} x ${kind}`,
    );
}
