/** What runs commands: workers that share memory, or the thread that called, in slices. */

/** Words of the header of a block: the cancel flag is the first. */
export const HEADER_WORDS = 16;
/**
 * Words of a command, a cache line: code, arguments, units; then, changing, the next unit to take, units done, threads that wait for the last.
 * worker.js knows this too.
 */
export const COMMAND_WORDS = 16;
export const [CODE, ARGUMENTS, UNITS, NEXT, DONE] = [0, 1, 2, 8, 9];

/** Commands in memory, and where the milliseconds at which each ended go (behind when the first began), 0 if nowhere. */
export interface Job {
  readonly memory: WebAssembly.Memory;
  readonly block: number;
  readonly commands: number;
  readonly times: number;
  /** Threads that may run it. */
  readonly team: number;
}

export interface Outcome {
  /** Command that failed, and how. */
  readonly failed?: { readonly command: number; readonly message: string } | undefined;
  /** False when the cancel flag stopped it. */
  readonly completed: boolean;
}

export interface Running {
  /** When results are there, or nothing touches them any more. */
  readonly outcome: Promise<Outcome>;
  /** When nothing reads the block any more. */
  readonly left: Promise<void>;
}

export interface Executor {
  readonly threads: number;
  /** Makes code ready to run in a memory; commands name it by the number. */
  addCode(module: WebAssembly.Module, memory: WebAssembly.Memory): number;
  removeCode(id: number): void;
  run(job: Job): Running;
  dispose(): void;
}
