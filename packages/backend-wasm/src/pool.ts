/**
 * Workers that run commands: one pool for all backends of a page or process. Where memory can be shared they work together in it; where it
 * cannot, a pool is one worker, that has the memories and runs in slices.
 */

import { EspalierError } from '@espalier/core';
import type { Job, Outcome, Running } from './job.ts';
import type { Space } from './memory.ts';
import { startHere, startWorker, type Thread, type ThreadEvents } from './thread.ts';

interface Code {
  readonly module: WebAssembly.Module;
  /** Number of the memory that it runs in. */
  readonly memory: number;
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

interface Read {
  readonly member: Member;
  readonly space: Space;
  resolve(bytes: Uint8Array): void;
  reject(error: Error): void;
}

/** A worker with what it is doing. */
interface Member {
  thread: Thread;
  tasks: number;
  /** Another is to take its place. */
  isOld?: boolean;
}

type Answer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'gone'; readonly memory: number; readonly reason: string }
  | { readonly kind: 'bytes'; readonly id: number; readonly bytes: Uint8Array | undefined }
  | ({ readonly kind: 'left'; readonly id: number } & Outcome);

/** What a pool is: what backends agree in that share one. */
export interface PoolOptions {
  /** Where `worker.js` is served. */
  readonly workerUrl?: string | URL | undefined;
  readonly isShared: boolean;
  /** On the thread that calls, where the host starts no workers. */
  readonly isHere?: boolean;
}

/** After so many codes that are gone, workers are begun anew: they allocate too little to collect what is left of them. */
const MOST_REMOVED = 256;

const settled = (outcome: Promise<Outcome>): Running => ({
  outcome,
  left: Promise.resolve(),
  cancel: () => undefined,
});

export class Pool {
  readonly isShared: boolean;
  private readonly options: PoolOptions;
  private readonly members: Member[] = [];
  private readonly codes = new Map<number, Code>();
  private readonly memories = new Map<Space, { readonly id: number; readonly message: object }>();
  /** Why memories are gone with what was in them. */
  private readonly gone = new WeakMap<Space, string>();
  private readonly runs = new Map<number, Run>();
  private readonly reads = new Map<number, Read>();
  private next = 0;
  /** Codes that workers were told to forget, and may hold until they next collect garbage. */
  private removed = 0;
  /** Workers that were asked for. */
  private size = 0;
  /** The last worker that was started. */
  private joining: Promise<void> = Promise.resolve();
  private disposed = false;

  constructor(options: PoolOptions) {
    this.options = options;
    this.isShared = options.isShared;
  }

  /** Starts workers until there are so many. @throws Error where the host starts none */
  async grow(threads: number): Promise<void> {
    while (this.size < threads) {
      this.size++;
      this.joining = Promise.all([this.joining, this.join()]).then(() => {});
    }
    await this.joining;
  }

  /** @param maxima pages of it at most, in the order in which they are tried; where it is not shared */
  addMemory(space: Space, maxima: readonly number[]): void {
    const id = this.next++;
    const { object, pages } = space;
    const message = { kind: 'memory', id, ...(object ? { memory: object } : { pages, maxima }) };
    this.memories.set(space, { id, message });
    this.tell(message);
  }

  removeMemory(space: Space): void {
    const known = this.memories.get(space);
    if (!known) return;
    this.memories.delete(space);
    this.tell({ kind: 'remove', id: known.id });
  }

  /** False when its worker has ended. */
  has(space: Space): boolean {
    return this.memories.has(space);
  }

  // Who writes to a memory that is gone is told when the next run begins.
  growMemory(space: Space, pages: number): void {
    this.tell({ kind: 'grow', memory: this.memories.get(space)?.id, pages });
  }

  write(space: Space, address: number, bytes: Uint8Array, transfer?: readonly Transferable[]): void {
    this.tell({ kind: 'write', memory: this.memories.get(space)?.id, address, bytes }, transfer);
  }

  read(space: Space, address: number, bytes: number): Promise<Uint8Array> {
    const [memory, id, member] = [this.memories.get(space)?.id, this.next++, this.members[0]!];
    if (memory === undefined) return Promise.reject(this.lostMemory(space));
    this.begin(member);
    member.thread.post({ kind: 'read', id, memory, address, bytes });
    return new Promise((resolve, reject) => {
      this.reads.set(id, { member, space, resolve, reject });
    });
  }

  /** Makes code ready to run in a memory; commands name it by the number. */
  addCode(module: WebAssembly.Module, space: Space): number {
    const [known, id] = [this.memories.get(space), this.next++];
    if (known) {
      const code = { module, memory: known.id };
      this.codes.set(id, code);
      this.tell({ kind: 'code', id, ...code });
    }
    return id;
  }

  removeCode(id: number): void {
    if (!this.codes.delete(id)) return;
    this.tell({ kind: 'remove', id });
    if (++this.removed === MOST_REMOVED) this.renew();
  }

  run(job: Job): Running {
    const { block, commands, times, memory: space } = job;
    if (commands === 0) return settled(Promise.resolve({ completed: true }));
    const memory = this.memories.get(space)?.id;
    if (memory === undefined) return settled(Promise.reject(this.lostMemory(space)));
    if (this.members.length === 0) return this.runLater(job);
    const team = [...this.members].sort((a, b) => a.tasks - b.tasks).slice(0, job.team);
    const id = this.next++;
    let leave!: () => void;
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const outcome = new Promise<Outcome>((settle, fail) => {
      this.runs.set(id, { job, inside: new Set(team), outcome: undefined, settle, fail, leave });
    });
    const bytes = space.object?.buffer.byteLength ?? 0;
    for (const [thread, member] of team.entries()) {
      this.begin(member);
      member.thread.post({ kind: 'run', id, memory, bytes, block, commands, times, thread });
    }
    return { outcome, left, cancel: () => this.cancel(id, job) };
  }

  /** Once a worker is there. */
  private runLater(job: Job): Running {
    const later = this.joining.then(() => this.run(job));
    return {
      outcome: later.then(({ outcome }) => outcome),
      left: later.then(({ left }) => left),
      cancel: () =>
        void later.then(
          ({ cancel }) => cancel(),
          () => {},
        ),
    };
  }

  /** Ends each worker when it has nothing to do and has another take its place: with it goes what it might still hold of memories. */
  renew(): void {
    this.removed = 0;
    for (const member of [...this.members]) {
      if (member.tasks > 0) member.isOld = true;
      else this.replace(member);
    }
  }

  dispose(): void {
    this.disposed = true;
    for (const { thread } of this.members.splice(0)) thread.stop();
  }

  private lostMemory(space: Space): EspalierError {
    return new EspalierError('KERNEL_FAILED', `this model's memory is gone (${this.gone.get(space)}): load it again`);
  }

  private tell(message: object, transfer?: readonly Transferable[]): void {
    for (const { thread } of this.members) thread.post(message, transfer);
  }

  private cancel(id: number, { memory: { object }, block }: Job): void {
    if (object) Atomics.store(new Int32Array(object.buffer), block / 4, 1);
    else this.tell({ kind: 'cancel', id });
  }

  /** Starts a worker and tells it what the others know. */
  private join(): Promise<void> {
    return new Promise((resolve, reject) => {
      const member = { tasks: 0 } as Member;
      let isReady = false;
      const events: ThreadEvents = {
        onMessage: (message) => {
          const answer = message as Answer;
          if (answer.kind !== 'ready') return this.hear(member, answer);
          isReady = true;
          if (this.disposed) return member.thread.stop();
          for (const { message } of this.memories.values()) member.thread.post(message);
          for (const [id, code] of this.codes) member.thread.post({ kind: 'code', id, ...code });
          this.members.push(member);
          member.thread.hold(false);
          resolve();
        },
        onEnd: (reason) => {
          if (isReady) this.lost(member, reason);
          else reject(new EspalierError('KERNEL_FAILED', `a worker cannot be started: ${reason}`));
        },
      };
      const { isHere, workerUrl } = this.options;
      member.thread = isHere ? startHere(events) : startWorker(workerUrl, events);
    });
  }

  private hear(member: Member, answer: Exclude<Answer, { kind: 'ready' }>): void {
    if (answer.kind === 'left') this.left(member, answer.id, answer);
    else if (answer.kind === 'gone') this.forget(answer.reason, (id) => id === answer.memory);
    else {
      const read = this.reads.get(answer.id);
      if (!read) return;
      this.reads.delete(answer.id);
      if (answer.bytes) read.resolve(answer.bytes);
      else read.reject(this.lostMemory(read.space));
      this.end(member);
    }
  }

  private begin(member: Member): void {
    if (member.tasks++ === 0) member.thread.hold(true);
  }

  private end(member: Member): void {
    if (--member.tasks > 0) return;
    member.thread.hold(false);
    if (member.isOld) this.replace(member);
  }

  private left(member: Member, id: number, { completed, failed }: Outcome): void {
    const run = this.runs.get(id);
    if (!run?.inside.delete(member)) return;
    if (!this.has(run.job.memory)) run.fail(this.lostMemory(run.job.memory));
    this.end(member);
    // Of one that is done, nothing is open. Of one that was stopped, others may still be in the midst of a unit.
    if (completed) run.settle({ completed });
    if (!run.outcome?.failed) run.outcome = { completed, failed };
    if (run.inside.size > 0) return;
    this.runs.delete(id);
    run.settle(run.outcome);
    run.leave();
  }

  private replace(member: Member): void {
    // One that has memories of its own stays for them.
    if (this.disposed || (!this.isShared && this.memories.size > 0)) return;
    this.members.splice(this.members.indexOf(member), 1);
    member.thread.stop();
    this.rejoin();
  }

  /** Stops the runs of a worker that ended, and has another take its place. */
  private lost(member: Member, reason: string): void {
    if (this.disposed) return;
    this.members.splice(this.members.indexOf(member), 1);
    member.isOld = false;
    if (!this.isShared) this.forget(`a worker ended: ${reason}`, () => true);
    for (const [id, read] of [...this.reads]) {
      if (read.member !== member) continue;
      this.reads.delete(id);
      read.reject(this.lostMemory(read.space));
    }
    for (const [id, run] of [...this.runs]) {
      if (!run.inside.has(member)) continue;
      this.cancel(id, run.job);
      run.fail(new EspalierError('KERNEL_FAILED', `a worker ended in mid-run (${reason}): run again`));
      this.left(member, id, { completed: false });
    }
    this.rejoin();
  }

  /** Memories that no worker has any more. */
  private forget(reason: string, which: (id: number) => boolean): void {
    for (const [space, { id }] of this.memories) {
      if (!which(id)) continue;
      this.memories.delete(space);
      this.gone.set(space, reason);
      for (const [code, { memory }] of this.codes) if (memory === id) this.codes.delete(code);
    }
  }

  private rejoin(): void {
    this.joining = Promise.all([this.joining.catch(() => {}), this.join()]).then(() => {});
    // Whoever runs next is told.
    this.joining.catch(() => {});
  }
}
