/**
 * One thread of the pool: runs commands in shared memory together with others. Plain JavaScript, so that one file serves sources and
 * builds alike. What lies where in a block is said in executor.ts.
 */

const LINE_WORDS = 16;
const COMMAND_WORDS = 3;
const [NEXT, DONE, WAITING] = [0, 1, 2];
/** Looks at a counter before a thread sleeps: some 20 microseconds. */
const SPINS = 4000;
/** Milliseconds that a thread sleeps at most before it looks whether the run was cancelled. */
const NAP_MS = 5;

/** What code exports, and memories with their words: by number, of which no two are the same. */
const functions = new Map();
const memories = new Map();

/** A browser's, Deno's and Bun's worker posts for itself; Node's has a port. */
const port =
  typeof globalThis.postMessage === 'function'
    ? globalThis
    : globalThis.process.getBuiltinModule('node:worker_threads').parentPort;

/** Takes units until none is left, then waits for those that others took. False when the run was cancelled. */
function runCommand(words, cancel, at, [code, args, units], thread, onLast) {
  const run = functions.get(code);
  for (;;) {
    const unit = Atomics.add(words, at + NEXT, 1);
    if (unit >= units) break;
    if (Atomics.load(words, cancel) !== 0) return false;
    run(args, unit, thread);
    if (Atomics.add(words, at + DONE, 1) + 1 === units) {
      onLast();
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

/** The words of a memory of so many bytes. */
function wordsOf(id, bytes) {
  const known = memories.get(id);
  if (known.words.byteLength < bytes) {
    // Another thread has made it grow: growing by nothing has this one see it.
    known.memory.grow(0);
    known.words = new Int32Array(known.memory.buffer);
  }
  return known.words;
}

function run({ memory, bytes, block, commands, times, thread }) {
  const words = wordsOf(memory, bytes);
  const cancel = block / 4;
  const stamps = times > 0 ? new Float64Array(words.buffer, times, commands + 1) : undefined;
  const stamp = (index) => {
    if (stamps) stamps[index] = performance.timeOrigin + performance.now();
  };
  if (stamps && stamps[0] === 0) stamp(0);
  for (let command = 0; command < commands; command++) {
    const at = cancel + LINE_WORDS * (1 + command);
    const what = cancel + LINE_WORDS * (1 + commands) + COMMAND_WORDS * command;
    try {
      if (!runCommand(words, cancel, at, words.subarray(what, what + COMMAND_WORDS), thread, () => stamp(command + 1)))
        return { completed: false };
    } catch (error) {
      Atomics.store(words, cancel, 1);
      return { completed: false, failed: { command, message: String(error) } };
    }
  }
  return { completed: true };
}

function receive(message) {
  switch (message.kind) {
    case 'memory':
      memories.set(message.id, { memory: message.memory, words: new Int32Array(message.memory.buffer) });
      break;
    case 'code': {
      const { memory } = memories.get(message.memory);
      const { exports } = new WebAssembly.Instance(message.module, { host: { memory } });
      functions.set(message.id, exports.run);
      break;
    }
    case 'remove':
      functions.delete(message.id);
      memories.delete(message.id);
      break;
    case 'run':
      port.postMessage({ kind: 'left', id: message.id, ...run(message) });
      break;
  }
}

if (port === globalThis) globalThis.onmessage = ({ data }) => receive(data);
else port.on('message', receive);
port.postMessage({ kind: 'ready' });

// Without an export the file would be taken for a script.
export { port };
