/** Command lists: steps bound to memory and sizes, and run by the addon's threads. */

import {
  atNode,
  type Binding,
  bindShape,
  type CommandList,
  EspalierError,
  type RunOptions,
  Slicer,
  type Slot,
  type Step,
  type TensorDesc,
  throwIfAborted,
} from '@espalier/core';
import type { Addon } from './addon.ts';
import { debugging, traceCommand, writePerfMap } from './debug.ts';
import type { Memory, NativeBuffer } from './memory.ts';
import type { NativeCall, NativeOperand, NativeProgram } from './program.ts';

type NativeSlots = readonly (Slot<NativeBuffer> | undefined)[];

/** What a list needs of its backend. */
export interface Engine {
  readonly addon: Addon;
  readonly memory: Memory;
  readonly trampoline: number;
  /** Threads of the pool, and how many of them one run may use. */
  readonly threads: number;
  readonly team: number;
}

/** Words of a command: code, arguments, units. */
const COMMAND_WORDS = 3;
/** Bytes of a step's status. */
const STATUS = 16;
/** Bytes before the commands: the cancel flag. */
const HEADER = 64;
/** Seconds: a list whose commands take no more may be faster on the calling thread, which it does not hold up for long. */
const SHORT = 5e-5;
/** Seconds after which runs that follow each other on the calling thread let its event loop turn. */
const TURN = 4e-3;
/** Runs here before it is known which way is faster. */
const TRIALS = 4;
/** Bound blocks that wait to be run again; more runs at once bind anew. */
const KEPT_BLOCKS = 4;

/** Steps bound to addresses and sizes. */
interface Block {
  /** Where the slots were, and the symbols' values. */
  readonly addresses: readonly (number | undefined)[];
  readonly at: Binding;
  /** The cancel flag, the commands, their arguments and their times. */
  readonly buffer: NativeBuffer;
  /** What to free with the block: `buffer`, and the scratch area. */
  readonly owned: readonly NativeBuffer[];
  readonly commands: number;
  /** Which step each command belongs to. */
  readonly steps: readonly number[];
  /** Where times are written, in bytes from the start. */
  readonly times: number;
  /** Of the steps that may fail, one after the other. */
  readonly status: NativeBuffer;
  readonly failing: readonly Step<NativeProgram>[];
  readonly pace: Pace;
}

/**
 * The least seconds that a block's commands took by themselves, that it took on other threads, waking them included, and on the
 * calling one, and how often it was tried there.
 */
interface Pace {
  alone: number;
  there: number;
  here: number;
  trials: number;
}

const unknownPace: Pace = {
  alone: Number.POSITIVE_INFINITY,
  there: Number.POSITIVE_INFINITY,
  here: Number.POSITIVE_INFINITY,
  trials: 0,
};

export function recordList(engine: Engine, steps: readonly Step<NativeProgram>[]): CommandList<NativeBuffer> {
  const kept: Block[] = [];
  let disposed = false;
  writePerfMap(steps);
  const free = (block: Block): void => {
    for (const buffer of block.owned) engine.memory.free(buffer);
  };
  const give = (block: Block): void => {
    kept.unshift(block);
    while (kept.length > (disposed ? 0 : KEPT_BLOCKS)) free(kept.pop()!);
  };
  return {
    async run(slots, at, options = {}) {
      throwIfAborted(options.signal);
      const index = kept.findIndex((each) => isFor(each, slots, at));
      const block = index < 0 ? await bind(engine, steps, slots, at, options.signal) : kept.splice(index, 1)[0]!;
      try {
        await runBlock(engine, block, steps, options);
      } finally {
        give(block);
      }
    },
    dispose() {
      disposed = true;
      for (const block of kept.splice(0)) free(block);
    },
  };
}

const addressOf = (slot: Slot<NativeBuffer> | undefined): number | undefined =>
  slot && slot.buffer.address + slot.offset;

function isFor({ addresses, at: bound }: Block, slots: NativeSlots, at: Binding): boolean {
  for (let i = 0; i < slots.length; i++) if (addressOf(slots[i]) !== addresses[i]) return false;
  const symbols = Object.keys(at);
  return symbols.length === Object.keys(bound).length && symbols.every((symbol) => at[symbol] === bound[symbol]);
}

/** Binds steps, giving the event loop its turns: a long list takes a while. @throws EspalierError `ABORTED` */
async function bind(
  { memory, threads }: Engine,
  steps: readonly Step<NativeProgram>[],
  slots: NativeSlots,
  at: Binding,
  signal: AbortSignal | undefined,
): Promise<Block> {
  const slicer = new Slicer(signal);
  const operand = (desc: TensorDesc | undefined, index: number | undefined): NativeOperand | undefined => {
    const slot = index === undefined ? undefined : slots[index];
    if (!desc || !slot) return undefined;
    return { dtype: desc.dtype, dims: bindShape(desc.shape, at), address: slot.buffer.address + slot.offset };
  };
  const status = memory.alloc(STATUS * steps.filter(({ program }) => program.failure).length);
  const owned = [status];
  try {
    const failing: Step<NativeProgram>[] = [];
    const calls: Omit<NativeCall, 'scratch'>[] = [];
    // Steps run one after the other, so that one scratch area serves them all.
    let scratchBytes = 0;
    for (const step of steps) {
      if (slicer.due) await slicer.pause();
      const { program, call, inputs, outputs } = step;
      const bound = {
        inputs: call.inputs.map((desc, i) => operand(desc, inputs[i])),
        outputs: call.outputs.map((desc, i) => operand(desc, outputs[i])),
        at,
        threads,
        status: status.address + STATUS * failing.length,
      };
      if (program.failure) failing.push(step);
      calls.push(bound);
      scratchBytes = Math.max(scratchBytes, program.scratch?.(bound) ?? 0);
    }
    const scratch = memory.alloc(scratchBytes);
    owned.unshift(scratch);
    const commands: Encoded[] = [];
    let words = 0;
    for (const [step, { program }] of steps.entries()) {
      if (slicer.due) await slicer.pause();
      const call = { ...calls[step]!, scratch: scratch.address };
      for (const phase of program.phases) {
        const args = phase.args(call);
        commands.push({ step, code: phase.code, units: phase.units(call), args });
        words += COMMAND_WORDS + args.length;
      }
    }
    const times = HEADER + words * 8;
    const buffer = memory.alloc(times + (commands.length + 1) * 8);
    owned.unshift(buffer);
    const write = wordWriter(buffer, HEADER);
    let args = buffer.address + HEADER + commands.length * COMMAND_WORDS * 8;
    for (const command of commands) {
      if (slicer.due) await slicer.pause();
      write(command.code);
      write(args);
      write(command.units);
      args += command.args.length * 8;
    }
    for (const command of commands) {
      if (slicer.due) await slicer.pause();
      for (const word of command.args) write(word);
    }
    const stepOf = commands.map(({ step }) => step);
    const addresses = slots.map(addressOf);
    return {
      addresses,
      at: { ...at },
      buffer,
      owned,
      commands: commands.length,
      steps: stepOf,
      times,
      status,
      failing,
      pace: { ...unknownPace },
    };
  } catch (error) {
    for (const each of owned) memory.free(each);
    throw error;
  }
}

/** @throws EspalierError of the first step whose status says that its values are wrong */
function checkStatus({ status, failing }: Block): void {
  const words = new BigInt64Array(status.view.buffer, status.view.byteOffset, 2 * failing.length);
  for (const [i, { call, program }] of failing.entries()) {
    const [kind, found] = words.subarray(2 * i);
    if (kind !== 0n) throw atNode(call, program.failure!(Number(kind), found!));
  }
}

interface Encoded {
  readonly step: number;
  readonly code: number;
  readonly units: number;
  readonly args: readonly number[];
}

/** Writes integers below 2^53 as 64-bit words, one after the other. */
function wordWriter(buffer: NativeBuffer, offset: number): (word: number) => void {
  const view = new DataView(buffer.view.buffer, buffer.view.byteOffset, buffer.view.byteLength);
  let at = offset;
  return (word) => {
    view.setUint32(at, word >>> 0, true);
    view.setInt32(at + 4, Math.floor(word / 2 ** 32), true);
    at += 8;
  };
}

/**
 * Runs one command on the pool's threads, as what prepares constants does.
 * @throws EspalierError `ABORTED` when the thread that waits for it is ending
 */
export async function runOnce(
  { addon, memory, trampoline, threads, team }: Engine,
  { code, units, args }: Omit<Encoded, 'step'>,
): Promise<void> {
  if (units === 0) return;
  const buffer = memory.alloc(8 * (COMMAND_WORDS + args.length));
  try {
    const write = wordWriter(buffer, 0);
    for (const word of [code, buffer.address + 8 * COMMAND_WORDS, units, ...args]) write(word);
    const completed = await addon.run(buffer.address, 1, trampoline, 0, 0, threads, team);
    if (!completed) throw stopped();
  } finally {
    memory.free(buffer);
  }
}

const stopped = (): EspalierError => new EspalierError('ABORTED', 'the run was stopped because its thread is ending');

async function runBlock(
  engine: Engine,
  block: Block,
  steps: readonly Step<NativeProgram>[],
  { signal, onStep }: RunOptions,
): Promise<void> {
  const { buffer, pace } = block;
  const started = performance.now();
  if (!onStep && !debugging && isFasterHere(pace) && started - lastTurn < 1000 * TURN) {
    runOnThisThread(engine, block);
    return checkStatus(block);
  }
  const cancel = new Int32Array(buffer.view.buffer, 0, 1);
  Atomics.store(cancel, 0, 0);
  block.status.view.fill(0);
  const abort = (): void => void Atomics.store(cancel, 0, 1);
  signal?.addEventListener('abort', abort, { once: true });
  let completed: boolean;
  try {
    completed = await runCommands(engine, block, steps);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
  if (!completed) {
    throwIfAborted(signal);
    throw stopped();
  }
  lastTurn = performance.now();
  pace.there = Math.min(pace.there, (lastTurn - started) / 1000);
  const times = timesOf(block);
  pace.alone = Math.min(pace.alone, times.at(-1)! - times[0]!);
  checkStatus(block);
  if (onStep) reportTimes(block, onStep);
}

/** When another thread was last heard from, for which the event loop has to turn. */
let lastTurn = Number.NEGATIVE_INFINITY;

/** Waking other threads, and hearing from them, takes longer than many a small model. */
function isFasterHere({ alone, there, here, trials }: Pace): boolean {
  return alone <= SHORT && (trials < TRIALS || here <= there);
}

function runOnThisThread({ addon, trampoline }: Engine, { buffer, commands, status, pace }: Block): void {
  status.view.fill(0);
  const started = performance.now();
  addon.runHere(buffer.address + HEADER, commands, trampoline);
  pace.here = Math.min(pace.here, (performance.now() - started) / 1000);
  pace.trials++;
}

/** Runs all commands, one at a time where each is to be named. */
async function runCommands(
  { addon, trampoline, threads, team }: Engine,
  { buffer, commands, times, steps: stepOf }: Block,
  steps: readonly Step<NativeProgram>[],
): Promise<boolean> {
  const run = (first: number, count: number): Promise<boolean> => {
    const at = buffer.address + HEADER + COMMAND_WORDS * 8 * first;
    return addon.run(at, count, trampoline, buffer.address, buffer.address + times + 8 * first, threads, team);
  };
  if (!debugging) return run(0, commands);
  for (let c = 0; c < commands; c++) {
    traceCommand(steps[stepOf[c]!]!, c, commands);
    if (!(await run(c, 1))) return false;
  }
  return true;
}

/** When the first command began and each ended, in seconds. */
const timesOf = ({ buffer, commands, times }: Block): Float64Array =>
  new Float64Array(buffer.view.buffer, times, commands + 1);

function reportTimes(block: Block, onStep: NonNullable<RunOptions['onStep']>): void {
  const { steps, commands } = block;
  const seconds = timesOf(block);
  const spent = new Map<number, number>();
  for (let c = 0; c < commands; c++) spent.set(steps[c]!, (spent.get(steps[c]!) ?? 0) + seconds[c + 1]! - seconds[c]!);
  for (const [step, total] of spent) onStep(step, total);
}
