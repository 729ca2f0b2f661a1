/** A worker of this host: Node's own, or that of browsers, Deno and Bun; or this thread in place of one. */

export interface ThreadEvents {
  onMessage(message: unknown): void;
  /** It could not be started, or has ended without being told to. */
  onEnd(reason: string): void;
}

export interface Thread {
  post(message: unknown, transfer?: readonly Transferable[]): void;
  /** Whether the process has to stay for it. */
  hold(busy: boolean): void;
  stop(): void;
}

type WorkerThreads = typeof import('node:worker_threads');

/** Where this file is: a name that bundlers do not follow, as Node alone loads the worker so. */
const HERE = import.meta.url;

/** @param url where worker.js is served, for bundlers that do not find it by themselves */
export function startWorker(url: string | URL | undefined, events: ThreadEvents): Thread {
  if (typeof Worker === 'function') return startWeb(url, events);
  const { process } = globalThis as { process?: NodeJS.Process };
  const threads = process?.getBuiltinModule?.('node:worker_threads') as WorkerThreads | undefined;
  if (!threads) throw new Error('this host has no workers');
  return startNode(threads, url ?? new URL('./worker.js', HERE), events);
}

function startWeb(url: string | URL | undefined, { onMessage, onEnd }: ThreadEvents): Thread {
  // Written out as bundlers look for it.
  const worker = url
    ? new Worker(url, { type: 'module', name: 'espalier' })
    : new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'espalier' });
  worker.onmessage = ({ data }) => onMessage(data);
  worker.onerror = (event) => {
    event.preventDefault();
    onEnd(event.message || 'its file cannot be loaded');
    worker.terminate();
  };
  const { ref, unref } = worker as { ref?: () => void; unref?: () => void };
  return {
    post: (message, transfer = []) => worker.postMessage(message, [...transfer]),
    hold: (busy) => (busy ? ref : unref)?.call(worker),
    stop: () => worker.terminate(),
  };
}

function startNode(
  { Worker: NodeWorker }: WorkerThreads,
  url: string | URL,
  { onMessage, onEnd }: ThreadEvents,
): Thread {
  const worker = new NodeWorker(typeof url === 'string' ? new URL(url) : url, { workerData: 'espalier' });
  let isStopped = false;
  let reason = 'it ended';
  worker.on('message', onMessage);
  worker.on('error', ({ message }) => {
    reason = message;
  });
  worker.on('exit', () => {
    if (!isStopped) onEnd(reason);
  });
  return {
    post: (message, transfer = []) => worker.postMessage(message, transfer as never),
    hold(busy) {
      if (busy) worker.ref();
      else worker.unref();
    },
    stop() {
      isStopped = true;
      void worker.terminate();
    },
  };
}

/** This thread, for hosts that start no workers. */
export function startHere({ onMessage, onEnd }: ThreadEvents): Thread {
  let isStopped = false;
  let hear: (message: unknown) => void;
  const answer = (message: unknown): void =>
    queueMicrotask(() => {
      if (!isStopped) onMessage(message);
    });
  import('./worker.js').then(
    ({ serve }) => {
      hear = serve(answer);
    },
    (error) => onEnd(String(error)),
  );
  return {
    post: (message) => hear(message),
    hold() {},
    stop() {
      isStopped = true;
    },
  };
}
