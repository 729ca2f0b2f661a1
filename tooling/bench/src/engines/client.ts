/** Starts engines in processes of their own and asks them things. */

import { type ChildProcess, fork } from 'node:child_process';
import { EspalierError } from '@espalier/core';
import type { Engine, EngineName } from './engine.ts';

export interface Question {
  readonly id: number;
  readonly call: keyof Engine;
  readonly args: readonly unknown[];
}

export interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** An engine in another process; `stop` ends that. */
export type EngineClient = Engine & { readonly name: EngineName; stop(): void };

export function startEngine(name: EngineName): EngineClient {
  const child = fork(new URL('./worker.js', import.meta.url), [name], {
    serialization: 'advanced',
    execArgv: ['--expose-gc'],
  });
  const ask = questions(name, child);
  const call =
    <K extends keyof Engine>(method: K) =>
    (...args: Parameters<Engine[K]>): ReturnType<Engine[K]> =>
      ask(method, args) as ReturnType<Engine[K]>;
  return {
    name,
    open: call('open'),
    feed: call('feed'),
    run: call('run'),
    time: call('time'),
    nodes: call('nodes'),
    memory: call('memory'),
    responsiveness: call('responsiveness'),
    throughput: call('throughput'),
    close: call('close'),
    stop: () => void child.kill(),
  };
}

function questions(name: EngineName, child: ChildProcess) {
  const open = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  let last = 0;
  const fail = (message: string): void => {
    for (const { reject } of open.values()) reject(new EspalierError('BAD_INPUT', `${name}: ${message}`));
    open.clear();
  };
  child.on('message', ({ id, result, error }: Answer) => {
    const question = open.get(id);
    open.delete(id);
    if (error === undefined) question?.resolve(result);
    else question?.reject(new EspalierError('BAD_INPUT', `${name}: ${error}`));
  });
  child.on('exit', (code, signal) => fail(`the process ended (${signal ?? `exit code ${code}`})`));
  return (call: keyof Engine, args: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const id = last++;
      open.set(id, { resolve, reject });
      child.send({ id, call, args } satisfies Question);
    });
}
