/** Command lists: steps bound to memory and sizes, and run by a pool. */

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
import type { Engine } from './engine.ts';
import { COMMAND_WORDS, commandsAt } from './job.ts';
import type { WasmBuffer } from './memory.ts';
import type { WasmCall, WasmOperand, WasmProgram } from './program.ts';

type WasmSlots = readonly (Slot<WasmBuffer> | undefined)[];
type WasmStep = Step<WasmProgram>;

/** Bytes of a step's status. */
const STATUS = 16;
/** Bound blocks that wait to be run again; more runs at once bind anew. */
const KEPT_BLOCKS = 4;

/** Steps bound to addresses and sizes. */
interface Block {
  readonly key: string;
  /** What workers read: see job.ts. */
  readonly buffer: WasmBuffer;
  /** What to free with the block. */
  readonly owned: readonly WasmBuffer[];
  /** Which step each command belongs to. */
  readonly steps: readonly number[];
  readonly times: WasmBuffer;
  /** Of the steps that may fail, one after the other. */
  readonly status: WasmBuffer;
  readonly failing: readonly WasmStep[];
}

export function recordList(engine: Engine, steps: readonly WasmStep[]): CommandList<WasmBuffer> {
  const kept: Block[] = [];
  /** Numbers that the pool has given to code in this memory. */
  const codes = new Map<WebAssembly.Module, number>();
  let [disposed, used] = [false, 0];
  const free = (block: Block): void => {
    for (const buffer of block.owned) engine.memory.free(buffer);
  };
  const removeCodes = (): void => {
    if (!disposed || used > 0) return;
    for (const id of codes.values()) engine.pool.removeCode(id);
    codes.clear();
  };
  const give = (block: Block): void => {
    kept.unshift(block);
    used--;
    while (kept.length > (disposed ? 0 : KEPT_BLOCKS)) free(kept.pop()!);
    removeCodes();
  };
  return {
    async run(slots, at, options = {}) {
      throwIfAborted(options.signal);
      const key = keyOf(slots, at);
      const index = kept.findIndex((each) => each.key === key);
      const block =
        index < 0 ? await bind(engine, codes, steps, slots, at, key, options.signal) : kept.splice(index, 1)[0]!;
      used++;
      await runBlock(engine, block, steps, options, () => give(block));
    },
    dispose() {
      disposed = true;
      for (const block of kept.splice(0)) free(block);
      removeCodes();
    },
  };
}

function keyOf(slots: WasmSlots, at: Binding): string {
  const addresses = slots.map((slot) => (slot ? slot.buffer.address + slot.offset : ''));
  return `${addresses.join()};${Object.entries(at).join()}`;
}

interface Encoded {
  readonly step: number;
  readonly module: WebAssembly.Module;
  readonly units: number;
  readonly args: readonly number[];
}

/** Binds steps, giving the event loop its turns: a long list takes a while. @throws EspalierError `ABORTED` */
async function bind(
  { memory, pool, team }: Engine,
  codes: Map<WebAssembly.Module, number>,
  steps: readonly WasmStep[],
  slots: WasmSlots,
  at: Binding,
  key: string,
  signal: AbortSignal | undefined,
): Promise<Block> {
  const slicer = new Slicer(signal);
  const operand = (desc: TensorDesc | undefined, index: number | undefined): WasmOperand | undefined => {
    const slot = index === undefined ? undefined : slots[index];
    if (!desc || !slot) return undefined;
    return { dtype: desc.dtype, dims: bindShape(desc.shape, at), address: slot.buffer.address + slot.offset };
  };
  const failing = steps.filter(({ program }) => program.failure);
  const status = memory.alloc(STATUS * failing.length);
  const owned = [status];
  const own = (bytes: number): WasmBuffer => {
    const buffer = memory.alloc(bytes);
    owned.push(buffer);
    return buffer;
  };
  try {
    const calls: Omit<WasmCall, 'scratch'>[] = [];
    // Steps run one after the other, so that one scratch area serves them all.
    let [scratchBytes, failable] = [0, 0];
    for (const { program, call, inputs, outputs } of steps) {
      if (slicer.due) await slicer.pause();
      const bound = {
        inputs: call.inputs.map((desc, i) => operand(desc, inputs[i])),
        outputs: call.outputs.map((desc, i) => operand(desc, outputs[i])),
        at,
        threads: team,
        status: status.address + STATUS * failable,
      };
      if (program.failure) failable++;
      calls.push(bound);
      scratchBytes = Math.max(scratchBytes, program.scratch?.(bound) ?? 0);
    }
    const scratch = own(scratchBytes).address;
    const commands: Encoded[] = [];
    let words = 0;
    for (const [step, { program }] of steps.entries()) {
      if (slicer.due) await slicer.pause();
      const call = { ...calls[step]!, scratch };
      for (const phase of program.phases) {
        const args = phase.args(call);
        commands.push({ step, module: phase.code.module, units: phase.units(call), args });
        words += args.length;
      }
    }
    let command = commandsAt(commands.length);
    let next = command + COMMAND_WORDS * commands.length;
    const block = new Int32Array(next + words);
    const buffer = own(block.byteLength);
    const times = own(8 * (commands.length + 1));
    for (const { module } of commands) if (!codes.has(module)) codes.set(module, pool.addCode(module, memory.space));
    for (const { module, units, args } of commands) {
      if (slicer.due) await slicer.pause();
      block.set([codes.get(module)!, buffer.address + 4 * next, units], command);
      block.set(args, next);
      next += args.length;
      command += COMMAND_WORDS;
    }
    memory.write(buffer, 0, new Uint8Array(block.buffer));
    return { key, buffer, owned, steps: commands.map(({ step }) => step), times, status, failing };
  } catch (error) {
    for (const each of owned) memory.free(each);
    throw error;
  }
}

/** @param give takes the block back when nothing reads it any more */
async function runBlock(
  { memory, pool, team }: Engine,
  block: Block,
  steps: readonly WasmStep[],
  { signal, onStep }: RunOptions,
  give: () => void,
): Promise<void> {
  const { buffer, times, steps: stepOf } = block;
  memory.clear(buffer, 4 * commandsAt(stepOf.length));
  if (block.failing.length > 0) memory.clear(block.status, block.status.bytes);
  if (onStep) memory.clear(times, times.bytes);
  const { outcome, left, cancel } = pool.run({
    memory: memory.space,
    block: buffer.address,
    commands: stepOf.length,
    times: onStep ? times.address : 0,
    team,
  });
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    const { completed, failed } = await outcome;
    if (failed) {
      const { call, kernel } = steps[stepOf[failed.command]!]!;
      const message = `${call.node}: ${kernel} failed: ${failed.message}`;
      throw new EspalierError('KERNEL_FAILED', message, { node: call.node });
    }
    if (!completed) {
      throwIfAborted(signal);
      throw new EspalierError('ABORTED', 'the run was stopped');
    }
    if (block.failing.length > 0) checkStatus(await memory.read(block.status, 0, block.status.bytes), block.failing);
    if (onStep) reportTimes(await memory.read(times, 0, times.bytes), stepOf, onStep);
  } finally {
    signal?.removeEventListener('abort', cancel);
    void left.then(give, give);
  }
}

/** @throws EspalierError of the first step whose status says that its values are wrong */
function checkStatus(status: Uint8Array, failing: readonly WasmStep[]): void {
  const words = new DataView(status.buffer, status.byteOffset, status.byteLength);
  for (const [i, { call, program }] of failing.entries()) {
    const kind = words.getInt32(i * STATUS, true);
    if (kind === 0) continue;
    const [found, more] = [words.getBigInt64(i * STATUS + 8, true), words.getUint32(i * STATUS + 4, true)];
    throw atNode(call, program.failure!(kind, found, more));
  }
}

/** Commands without units end when the one before them does. */
function reportTimes(times: Uint8Array, stepOf: readonly number[], onStep: NonNullable<RunOptions['onStep']>): void {
  const ends = new Float64Array(times.buffer, times.byteOffset, times.byteLength / 8);
  const spent = new Map<number, number>();
  let before = ends[0]!;
  for (const [c, step] of stepOf.entries()) {
    const end = Math.max(before, ends[c + 1]!);
    spent.set(step, (spent.get(step) ?? 0) + (end - before) / 1000);
    before = end;
  }
  for (const [step, seconds] of spent) onStep(step, seconds);
}
