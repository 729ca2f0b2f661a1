/** What workers run: commands in memory. */

import type { Space } from './memory.ts';

/**
 * A block: the header, of which the first word is the cancel flag; a line of counters for each command (the next unit to take, units done,
 * threads that wait for the last); then of each command its code, arguments and units. In words; worker.js knows this too.
 */
export const LINE_WORDS = 16;
export const COMMAND_WORDS = 3;

/** Where the commands begin, in words from the start of a block: what is before is zero when a run begins. */
export const commandsAt = (commands: number): number => LINE_WORDS * (1 + commands);

/** Commands in memory, and where the milliseconds at which each ended go (behind when the first began), 0 if nowhere. */
export interface Job {
  readonly memory: Space;
  readonly block: number;
  readonly commands: number;
  readonly times: number;
  /** Threads that may run it. */
  readonly team: number;
}

export interface Outcome {
  /** Command that failed, and how. */
  readonly failed?: { readonly command: number; readonly message: string } | undefined;
  /** False when it was cancelled. */
  readonly completed: boolean;
}

export interface Running {
  /** When results are there, or nothing touches them any more. */
  readonly outcome: Promise<Outcome>;
  /** When nothing reads the block any more. */
  readonly left: Promise<void>;
  /** Ends it soon. */
  cancel(): void;
}
