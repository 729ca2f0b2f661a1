/** One kernel on one call: prepared once, run as often as wanted. */

import {
  type AnyBackend,
  askKernel,
  type CommandList,
  type HostProgram,
  hasCode,
  isRejection,
  type Kernel,
  type OpTable,
  type Program,
  type Rejection,
  runGenerator,
  Slicer,
  type Step,
  type Tensor,
  type UnsupportedError,
  type Work,
} from '@espalier/core';
import { Arena } from './arena.ts';
import { bindFresh, callAt, type Instance } from './instance.ts';
import { Mismatch } from './mismatch.ts';

export type Tensors = readonly (Tensor | undefined)[];

/** A kernel that has accepted a call. */
export interface Subject {
  /** Computes run `run`; `expected` tells sizes that only results know. @throws Mismatch where it writes elsewhere */
  run(run: number, expected: Tensors): Promise<Tensors>;
  /** What it prepared; absent for kernels that have `evaluate` instead. */
  readonly prepared?: Prepared;
  dispose(): void;
}

export interface Prepared {
  readonly program: Program;
  /** Where the operands of a run are. */
  arena(run: number, expected: Tensors): Arena;
  /** A list of the call, `times` times. */
  record(times: number): CommandList<unknown>;
}

/** Asks the kernel for sizes `at`. @throws Mismatch where it rejects without a reason */
export function ask(
  backend: AnyBackend,
  kernel: Kernel,
  { call, constants, bindings, fresh }: Instance,
  ops: OpTable,
  at = bindings[0]!,
): Work | Rejection {
  // Sizes that only the run tells are guessed when it is planned.
  const guess = Object.fromEntries(fresh.map((symbol) => [symbol, 1]));
  const answer = askKernel(backend, kernel, call, { ...guess, ...at }, constants, ops);
  if (isRejection(answer) && !(typeof answer.reason === 'string' && answer.reason.trim() !== '')) {
    throw new Mismatch('rejects the call without saying why: give the Rejection a reason');
  }
  return answer;
}

/** The kernel made ready for a call, or why it does not take it. */
export async function subjectOf(
  backend: AnyBackend,
  kernel: Kernel,
  instance: Instance,
  ops: OpTable,
): Promise<Subject | Rejection> {
  const answer = ask(backend, kernel, instance, ops);
  if (isRejection(answer)) return answer;
  if (kernel.evaluate) return evaluating(kernel, instance, ops);
  const { call, constants } = instance;
  let program: Program;
  try {
    program = await kernel.prepare!(call, constants, { features: backend.features });
  } catch (error) {
    if (!hasCode(error, 'UNSUPPORTED')) throw error;
    const { message, reasons } = error as UnsupportedError;
    return { reason: reasons.length > 0 ? reasons.join('; ') : message };
  }
  checkProgram(program, instance);
  const step: Step = { call, kernel: kernel.name, program, ...slotsOf(instance, program) };
  const prepared: Prepared = {
    program,
    arena: (run, expected) =>
      new Arena(backend, call, program, instance.inputs(run), bindFresh(instance, run, expected)),
    record: (times) => backend.record(new Array<Step>(times).fill(step)),
  };
  const list = prepared.record(1);
  return {
    prepared,
    run: async (run, expected) => {
      const arena = prepared.arena(run, expected);
      try {
        await list.run(arena.slots, arena.at);
        return await arena.results();
      } finally {
        arena.free();
      }
    },
    dispose: () => {
      list.dispose();
      program.dispose?.();
    },
  };
}

function evaluating(kernel: Kernel, instance: Instance, ops: OpTable): Subject {
  return {
    run: async (run) => {
      const operands = instance.inputs(run);
      const call = callAt(instance, run, ops);
      const before = operands.map((tensor) => (tensor && tensor.type !== 'string' ? tensor.bytes.slice() : undefined));
      const results = await runGenerator(kernel.evaluate!(call, operands), new Slicer());
      before.forEach((bytes, i) => {
        if (bytes?.some((byte, at) => byte !== operands[i]!.bytes[at])) throw new Mismatch(`wrote to its input ${i}`);
      });
      return results;
    },
    dispose: () => {},
  };
}

/** Inputs first, then outputs. */
function slotsOf({ call }: Instance, { packed }: Program): Pick<Step, 'inputs' | 'outputs'> {
  return {
    inputs: call.inputs.map((desc, i) => (desc && !packed?.includes(i) ? i : undefined)),
    outputs: call.outputs.map((desc, i) => (desc ? call.inputs.length + i : undefined)),
  };
}

function checkProgram({ resident, packed = [] }: Program, { constants }: Instance): void {
  if (!(Number.isFinite(resident) && resident >= 0))
    throw new Mismatch(`its program's "resident" is ${resident}: give the bytes that it holds`);
  const wrong = packed.find((i) => !constants[i]);
  if (wrong !== undefined) throw new Mismatch(`its program packs input ${wrong}, which is not constant`);
}

/** True for programs that say what to do in phases, see `HostProgram`. */
export function isHostProgram(backend: AnyBackend, program: Program): program is HostProgram {
  return backend.view !== undefined && typeof (program as Partial<HostProgram>).start === 'function';
}
