/**
 * `npm run fuzz -- [--minutes N] [--cases N] [--seed N] [--keep]`: random graphs until the time is up or there were so many, the seed
 * being the clock's unless given. The first that fails is made smaller and printed with the seed that finds it again; `--keep` goes on.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Choices, randomChoices, shrink } from './choices.ts';
import { describe, usedOf, type Verdict } from './judge.ts';

/** A case that takes longer hangs; one that is smaller than it was takes less. */
const PATIENCE_MS = 60_000;
const SMALL_PATIENCE_MS = 10_000;
/** How long a case is made smaller. */
const SHRINKING_MS = 120_000;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string', default: `${Date.now() % 1e9}` },
    cases: { type: 'string', default: 'Infinity' },
    keep: { type: 'boolean', default: false },
  },
});
const time = values.minutes ?? (values.cases === 'Infinity' ? '10' : 'Infinity');
const [minutes, seed, cases] = [time, values.seed, values.cases].map(Number) as [number, number, number];
if (![minutes, seed, cases].every((each) => each >= 0))
  throw new TypeError('--minutes, --seed and --cases take numbers');

let worker: ChildProcess | undefined;

/** What the worker says of a case; a worker that dies or hangs says that too. */
function tryCase(choices: Choices, patience: number): Promise<Verdict> {
  worker ??= fork(fileURLToPath(import.meta.resolve('@espalier/fuzz/worker')), {
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  });
  const child = worker;
  return new Promise((resolve) => {
    let said = '';
    const listen = (chunk: Buffer): void => {
      said += chunk;
    };
    const end = (verdict: Verdict): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      child.stderr!.off('data', listen);
      resolve(verdict);
    };
    const timer = setTimeout(() => {
      worker = undefined;
      child.kill('SIGKILL');
      end({ failure: `hangs: no answer after ${patience / 1000} s`, kernels: [] });
    }, patience);
    child.stderr!.on('data', listen);
    child.once('message', end);
    child.once('close', (code, signal) => {
      worker = undefined;
      end({ failure: `dies of ${signal ?? `exit code ${code}`}: ${said.trim()}`, kernels: [] });
    });
    child.send(choices);
  });
}

/** Failures of one kind, told by their first words: while one is made smaller, another may turn up. */
const kindOf = (verdict: string): string => /^(run|fails: \w+|\w+)/.exec(verdict)?.[0] ?? verdict;

const until = Date.now() + minutes * 60_000;
let failures = 0;
let done = 0;
let empty = 0;
/** How often each kernel ran. */
const ran = new Map<string, number>();
for (; done < cases && Date.now() < until; done++) {
  const choices = randomChoices(seed + done);
  const { failure, kernels } = await tryCase(choices, PATIENCE_MS);
  for (const kernel of kernels) ran.set(kernel, (ran.get(kernel) ?? 0) + 1);
  if (failure === undefined) {
    if (kernels.length === 0) empty++;
    continue;
  }
  failures++;
  console.log(`\nSeed ${seed + done} ${failure}\n\nMaking it smaller ...`);
  let last = failure;
  const isAlike = async (candidate: Choices): Promise<boolean> => {
    const found = (await tryCase(candidate, SMALL_PATIENCE_MS)).failure;
    const same = found !== undefined && kindOf(found) === kindOf(failure);
    if (same) last = found;
    return same;
  };
  const small = await shrink(choices.slice(0, usedOf(choices)), isAlike, Date.now() + SHRINKING_MS);
  console.log(`${describe(small)}\n${last}\nAgain: npm run fuzz -- --seed ${seed + done} --cases 1`);
  if (!values.keep) {
    done++;
    break;
  }
}
worker?.kill();
const calls = [...ran.values()].reduce((a, b) => a + b, 0);
const used = `${calls} nodes on ${ran.size} kernels, ${empty} graphs without any`;
console.log(`${done} graphs from seed ${seed}: ${failures === 0 ? 'no difference' : `${failures} failed`} (${used})`);
process.exitCode = failures === 0 ? 0 : 1;
