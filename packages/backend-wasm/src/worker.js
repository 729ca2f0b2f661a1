/**
 * One thread of the pool. Several run commands together in memory that all of them share; where none can be shared, one runs them in slices,
 * in memory of its own. Plain JavaScript, so that one file serves sources and builds alike. What lies where in a block is said in job.ts.
 */

/** How thread.ts names a worker that it starts: whoever else imports this file has to call {@link serve}. */
const NAME = 'espalier';

const LINE_WORDS = 16;
const COMMAND_WORDS = 3;
const [NEXT, DONE, WAITING] = [0, 1, 2];
/** Looks at a counter before a thread sleeps: some 20 microseconds. */
const SPINS = 4000;
/** Milliseconds that a thread sleeps at most before it looks whether the run was cancelled. */
const NAP_MS = 5;
/** Milliseconds before messages are heard again, where memory is not shared. */
const SLICE_MS = 6;

/** Takes units until none is left, then waits for those that others took. False when the run was cancelled. */
function runTogether(run, words, cancel, at, [, args, units], thread) {
  for (;;) {
    const unit = Atomics.add(words, at + NEXT, 1);
    if (unit >= units) break;
    if (Atomics.load(words, cancel) !== 0) return false;
    run(args, unit, thread);
    if (Atomics.add(words, at + DONE, 1) + 1 === units) {
      if (Atomics.load(words, at + WAITING) > 0) Atomics.notify(words, at + DONE);
      return true;
    }
  }
  for (let i = 0; i < SPINS; i++) if (Atomics.load(words, at + DONE) >= units) return true;
  Atomics.add(words, at + WAITING, 1);
  let done = Atomics.load(words, at + DONE);
  while (done < units && Atomics.load(words, cancel) === 0) {
    Atomics.wait(words, at + DONE, done, NAP_MS);
    done = Atomics.load(words, at + DONE);
  }
  Atomics.sub(words, at + WAITING, 1);
  return done >= units;
}

function makeMemory(initial, maxima) {
  for (const maximum of maxima.slice(0, -1)) {
    try {
      return new WebAssembly.Memory({ initial, maximum });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error; // Too large for the host: the next one.
    }
  }
  return new WebAssembly.Memory({ initial, maximum: maxima.at(-1) });
}

let turn = Promise.resolve();
const nextTask =
  typeof setImmediate === 'function'
    ? () => new Promise((resolve) => void setImmediate(resolve))
    : () =>
        new Promise((resolve) => {
          const { port1, port2 } = new MessageChannel();
          port1.onmessage = () => {
            port1.close();
            resolve();
          };
          port2.postMessage(0);
        });

/** Has messages heard. Slices of several runs take turns: one between two of them. */
function pause() {
  turn = turn.then(nextTask);
  return turn;
}

/** A memory with its words, which are others once it has grown. */
class Known {
  constructor(memory) {
    this.memory = memory;
    this.words = new Int32Array(memory.buffer);
  }

  /** At least so many bytes of words: growing by nothing has this thread see what another has done. */
  upTo(bytes) {
    if (this.words.byteLength < bytes) this.memory.grow(0);
    if (this.words.buffer !== this.memory.buffer) this.words = new Int32Array(this.memory.buffer);
    return this.words;
  }
}

/** What each run has in common: where its commands are, and when they end. */
function reader({ block, commands, times }) {
  const first = block / 4;
  return {
    lineAt: (command) => first + LINE_WORDS * (1 + command),
    commandAt(words, command) {
      const at = first + LINE_WORDS * (1 + commands) + COMMAND_WORDS * command;
      return words.subarray(at, at + COMMAND_WORDS);
    },
    /** The first thread to know of it says when. */
    stamp(words, index) {
      if (times === 0) return;
      const stamps = new Float64Array(words.buffer, times, commands + 1);
      if (stamps[index] === 0) stamps[index] = performance.timeOrigin + performance.now();
    },
  };
}

/** Answers what it is told by `post`. */
export function serve(post) {
  /** What code exports, and memories: by number, of which no two are the same. */
  const functions = new Map();
  const memories = new Map();
  /** Runs in slices, and whether they are to go on. */
  const open = new Map();

  const runShared = (job) => {
    const { commandAt, lineAt, stamp } = reader(job);
    const words = memories.get(job.memory).upTo(job.bytes);
    const cancel = job.block / 4;
    stamp(words, 0);
    for (let command = 0; command < job.commands; command++) {
      const what = commandAt(words, command);
      try {
        if (!runTogether(functions.get(what[0]), words, cancel, lineAt(command), what, job.thread))
          return { completed: false };
        stamp(words, command + 1);
      } catch (error) {
        Atomics.store(words, cancel, 1);
        return { completed: false, failed: { command, message: String(error) } };
      }
    }
    return { completed: true };
  };

  const runSliced = async (job) => {
    const { commandAt, stamp } = reader(job);
    const known = memories.get(job.memory);
    if (!known) return { completed: false };
    let until = performance.now() + SLICE_MS;
    stamp(known.upTo(0), 0);
    for (let command = 0; command < job.commands; command++) {
      const [code, args, units] = commandAt(known.upTo(0), command);
      const run = functions.get(code);
      for (let unit = 0; unit < units; unit++) {
        if (performance.now() >= until) {
          await pause();
          if (!open.get(job.id)) return { completed: false };
          until = performance.now() + SLICE_MS;
        }
        try {
          run(args, unit, 0);
        } catch (error) {
          return { completed: false, failed: { command, message: String(error) } };
        }
      }
      stamp(known.upTo(0), command + 1);
    }
    return { completed: true };
  };

  /** A memory that the host does not grant is gone, with what was in it. */
  const attempt = (id, make) => {
    try {
      make();
    } catch (error) {
      memories.delete(id);
      post({ kind: 'gone', memory: id, reason: String(error) });
    }
  };

  const receivers = {
    /** One that is shared, or the largest of those that may be made. */
    memory({ id, memory, pages, maxima }) {
      attempt(id, () => memories.set(id, new Known(memory ?? makeMemory(pages, maxima))));
    },
    grow({ memory, pages }) {
      attempt(memory, () => memories.get(memory)?.memory.grow(pages));
    },
    write({ memory, address, bytes }) {
      const known = memories.get(memory);
      if (known) new Uint8Array(known.memory.buffer, address).set(bytes);
    },
    read({ id, memory, address, bytes }) {
      const copy = memories.get(memory)?.memory.buffer.slice(address, address + bytes);
      post({ kind: 'bytes', id, bytes: copy && new Uint8Array(copy) }, copy ? [copy] : []);
    },
    code({ id, memory, module }) {
      const known = memories.get(memory);
      if (known) functions.set(id, new WebAssembly.Instance(module, { host: known }).exports.run);
    },
    remove({ id }) {
      functions.delete(id);
      memories.delete(id);
    },
    async run(job) {
      open.set(job.id, true);
      const outcome = job.bytes > 0 ? runShared(job) : await runSliced(job);
      open.delete(job.id);
      post({ kind: 'left', id: job.id, ...outcome });
    },
    cancel({ id }) {
      if (open.has(id)) open.set(id, false);
    },
  };
  post({ kind: 'ready' });
  return (message) => receivers[message.kind](message);
}

const threads = globalThis.process?.getBuiltinModule?.('node:worker_threads');
if (threads?.workerData === NAME) {
  const { parentPort } = threads;
  const receive = serve((message, transfer) => parentPort.postMessage(message, transfer));
  parentPort.on('message', receive);
} else if (globalThis.name === NAME || threads?.threadName === NAME) {
  // A browser's or Deno's worker, which has its name as others do, or Bun's.
  const receive = serve((message, transfer) => globalThis.postMessage(message, transfer));
  globalThis.onmessage = ({ data }) => receive(data);
}
