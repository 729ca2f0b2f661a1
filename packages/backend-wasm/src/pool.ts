/** Workers that run commands over shared memory: one pool for all backends of a page or process. */

import { EspalierError } from '@espalier/core';
import type { Executor, Job, Outcome, Running } from './executor.ts';
import { startWorker, type Thread } from './thread.ts';

interface Code {
  readonly module: WebAssembly.Module;
  readonly memory: Known;
}

/** A memory that workers know by its number, as long as code is to run in it. */
interface Known {
  readonly id: number;
  readonly object: WebAssembly.Memory;
  codes: number;
}

/** A job, and those of its threads that have not left it. */
interface Run {
  readonly job: Job;
  readonly inside: Set<Member>;
  outcome: Outcome | undefined;
  settle(outcome: Outcome): void;
  fail(error: Error): void;
  leave(): void;
}

/** A worker with what it is doing. */
interface Member {
  thread: Thread;
  runs: number;
  /** Another is to take its place. */
  isOld?: boolean;
}

type Answer = { readonly kind: 'ready' } | ({ readonly kind: 'left'; readonly id: number } & Outcome);

const memoryMessage = ({ id, object }: Known) => ({ kind: 'memory', id, memory: object });
const codeMessage = (id: number, { module, memory }: Code) => ({ kind: 'code', id, module, memory: memory.id });

/** After so many codes that are gone, workers are begun anew: they allocate too little to collect what is left of them. */
const MOST_REMOVED = 256;

export class Pool implements Executor {
  private readonly members: Member[] = [];
  private readonly codes = new Map<number, Code>();
  private readonly memories = new Map<WebAssembly.Memory, Known>();
  private readonly runs = new Map<number, Run>();
  private next = 0;
  /** Codes that workers were told to forget, and may hold until they next collect garbage. */
  private removed = 0;
  /** Workers that were asked for. */
  private size = 0;
  /** The last worker that was started. */
  private joining: Promise<void> = Promise.resolve();
  private disposed = false;
  private readonly workerUrl: string | URL | undefined;

  constructor(workerUrl: string | URL | undefined) {
    this.workerUrl = workerUrl;
  }

  get threads(): number {
    return this.size;
  }

  /** Starts workers until there are so many. @throws Error where the host starts none */
  async grow(threads: number): Promise<void> {
    while (this.size < threads) {
      this.size++;
      this.joining = Promise.all([this.joining, this.join()]).then(() => {});
    }
    await this.joining;
  }

  addCode(module: WebAssembly.Module, object: WebAssembly.Memory): number {
    let memory = this.memories.get(object);
    if (!memory) {
      memory = { id: this.next++, object, codes: 0 };
      this.memories.set(object, memory);
      this.tell(memoryMessage(memory));
    }
    memory.codes++;
    const id = this.next++;
    this.codes.set(id, { module, memory });
    this.tell(codeMessage(id, { module, memory }));
    return id;
  }

  removeCode(id: number): void {
    const { memory } = this.codes.get(id)!;
    this.codes.delete(id);
    this.tell({ kind: 'remove', id });
    if (--memory.codes === 0) {
      this.memories.delete(memory.object);
      this.tell({ kind: 'remove', id: memory.id });
    }
    if (++this.removed === MOST_REMOVED) this.renew();
  }

  private tell(message: unknown): void {
    for (const { thread } of this.members) thread.post(message);
  }

  run(job: Job): Running {
    if (job.commands === 0) return { outcome: Promise.resolve({ completed: true }), left: Promise.resolve() };
    if (this.members.length === 0) {
      const later = this.joining.then(() => this.run(job));
      return { outcome: later.then(({ outcome }) => outcome), left: later.then(({ left }) => left) };
    }
    const team = [...this.members].sort((a, b) => a.runs - b.runs).slice(0, job.team);
    const id = this.next++;
    let leave!: () => void;
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const outcome = new Promise<Outcome>((settle, fail) => {
      this.runs.set(id, { job, inside: new Set(team), outcome: undefined, settle, fail, leave });
    });
    const { block, commands, times } = job;
    const memory = this.memories.get(job.memory)!.id;
    const { byteLength: bytes } = job.memory.buffer;
    for (const [thread, member] of team.entries()) {
      if (member.runs++ === 0) member.thread.hold(true);
      member.thread.post({ kind: 'run', id, memory, bytes, block, commands, times, thread });
    }
    return { outcome, left };
  }

  dispose(): void {
    this.disposed = true;
    for (const { thread } of this.members.splice(0)) thread.stop();
  }

  /** Starts a worker and tells it what the others know. */
  private join(): Promise<void> {
    return new Promise((resolve, reject) => {
      const member = { runs: 0 } as Member;
      let isReady = false;
      member.thread = startWorker(this.workerUrl, {
        onMessage: (message) => {
          const answer = message as Answer;
          if (answer.kind === 'left') return this.left(member, answer.id, answer);
          isReady = true;
          if (this.disposed) return member.thread.stop();
          for (const memory of this.memories.values()) member.thread.post(memoryMessage(memory));
          for (const [id, code] of this.codes) member.thread.post(codeMessage(id, code));
          this.members.push(member);
          member.thread.hold(false);
          resolve();
        },
        onEnd: (reason) => {
          if (isReady) this.lost(member, reason);
          else reject(new EspalierError('KERNEL_FAILED', `a worker cannot be started: ${reason}`));
        },
      });
    });
  }

  private left(member: Member, id: number, { completed, failed }: Outcome): void {
    const run = this.runs.get(id);
    if (!run?.inside.delete(member)) return;
    if (--member.runs === 0) {
      member.thread.hold(false);
      if (member.isOld) this.replace(member);
    }
    // Of one that is done, nothing is open. Of one that was stopped, others may still be in the midst of a unit.
    if (completed) run.settle({ completed });
    if (!run.outcome?.failed) run.outcome = { completed, failed };
    if (run.inside.size > 0) return;
    this.runs.delete(id);
    run.settle(run.outcome);
    run.leave();
  }

  /** Ends each worker when it has nothing to do and has another take its place: with it goes what it might still hold of memories. */
  renew(): void {
    this.removed = 0;
    for (const member of [...this.members]) {
      if (member.runs === 0) this.replace(member);
      else member.isOld = true;
    }
  }

  private replace(member: Member): void {
    if (this.disposed) return;
    this.members.splice(this.members.indexOf(member), 1);
    member.thread.stop();
    this.rejoin();
  }

  /** Stops the runs of a worker that ended, and has another take its place. */
  private lost(member: Member, reason: string): void {
    if (this.disposed) return;
    this.members.splice(this.members.indexOf(member), 1);
    member.isOld = false;
    for (const [id, run] of [...this.runs]) {
      if (!run.inside.has(member)) continue;
      const { memory, block } = run.job;
      Atomics.store(new Int32Array(memory.buffer), block / 4, 1);
      run.fail(new EspalierError('KERNEL_FAILED', `a worker ended in mid-run (${reason}): run again`));
      this.left(member, id, { completed: false });
    }
    this.rejoin();
  }

  private rejoin(): void {
    this.joining = Promise.all([this.joining.catch(() => {}), this.join()]).then(() => {});
    // Whoever runs next is told.
    this.joining.catch(() => {});
  }
}

const shared = new Map<string, { readonly pool: Pool; users: number }>();

/** The pool for a worker's file with as many threads at least; give it back with {@link releasePool}. */
export async function acquirePool(threads: number, workerUrl: string | URL | undefined): Promise<Pool> {
  const key = String(workerUrl ?? '');
  const entry = shared.get(key) ?? { pool: new Pool(workerUrl), users: 0 };
  shared.set(key, entry);
  entry.users++;
  try {
    await entry.pool.grow(threads);
  } catch (error) {
    releasePool(entry.pool);
    throw error;
  }
  return entry.pool;
}

/** Ends the workers when nobody uses them any more. */
export function releasePool(pool: Pool): void {
  for (const [key, entry] of shared) {
    if (entry.pool !== pool || --entry.users > 0) continue;
    shared.delete(key);
    pool.dispose();
  }
}
