/** What runs commands: workers that share memory, or the thread that called, in slices. */

/**
 * A block: the header, of which the first word is the cancel flag; a line of counters for each command (the next unit to take, units done,
 * threads that wait for the last); then of each command its code, arguments and units. In words; worker.js knows this too.
 */
export const LINE_WORDS = 16;
export const COMMAND_WORDS = 3;

/** Where the commands begin, in words from the start of a block. */
export const commandsAt = (commands: number): number => LINE_WORDS * (1 + commands);

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
