/** Runs commands on the thread that called, in slices: for hosts whose workers cannot share memory. */

import { Slicer } from '@espalier/core';
import { COMMAND_WORDS, commandsAt, type Executor, type Job, type Outcome } from './executor.ts';

type Run = (args: number, unit: number, thread: number) => void;

export function createSlicedExecutor(): Executor {
  const functions = new Map<number, Run>();
  let next = 0;

  const drive = async ({ memory, block, commands, times }: Job): Promise<Outcome> => {
    const slicer = new Slicer();
    const now = (): number => performance.timeOrigin + performance.now();
    const stamp = (index: number): void => {
      if (times > 0) new Float64Array(memory.buffer, times, commands + 1)[index] = now();
    };
    let view = new Int32Array(memory.buffer, block);
    // Memory may grow, and views of it end, whenever others have had their turn.
    const words = (): Int32Array => {
      if (view.buffer !== memory.buffer) view = new Int32Array(memory.buffer, block);
      return view;
    };
    stamp(0);
    for (let command = 0; command < commands; command++) {
      const at = commandsAt(commands) + command * COMMAND_WORDS;
      const [code, args, units] = words().subarray(at, at + COMMAND_WORDS);
      const run = functions.get(code!)!;
      for (let unit = 0; unit < units!; unit++) {
        if (slicer.due) await slicer.pause();
        if (words()[0] !== 0) return { completed: false };
        try {
          run(args!, unit, 0);
        } catch (error) {
          return { completed: false, failed: { command, message: String(error) } };
        }
      }
      stamp(command + 1);
    }
    return { completed: true };
  };

  return {
    threads: 1,
    addCode(module, memory) {
      const { exports } = new WebAssembly.Instance(module, { host: { memory } });
      functions.set(next, exports['run'] as Run);
      return next++;
    },
    removeCode: (id) => void functions.delete(id),
    run(job) {
      const outcome = drive(job);
      return { outcome, left: outcome.then(() => {}) };
    },
    dispose() {},
  };
}
