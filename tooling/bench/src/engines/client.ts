/** Starts engines in processes of their own, or in pages, and asks them things. */

import { type ChildProcess, fork } from 'node:child_process';
import { EspalierError } from '@espalier/core';
import type { Engine, EngineName } from './engine.ts';
import { openPage } from './page.ts';

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

export const places = ['node', 'chromium'] as const;
export type Place = (typeof places)[number];

/** A call of a method of an engine that is elsewhere. */
export type Ask = (call: keyof Engine, args: readonly unknown[]) => Promise<unknown>;
/** Where an engine is. */
export interface Connection {
  readonly ask: Ask;
  /** Ends it. */
  stop(): Promise<void>;
}

/** An engine in another process; `stop` ends that. */
export type EngineClient = Engine & { readonly name: EngineName; stop(): Promise<void> };

export async function startEngine(name: EngineName, place: Place): Promise<EngineClient> {
  const { ask, stop } = await (place === 'chromium' ? openPage(name) : startProcess(name));
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
    stop,
  };
}

function startProcess(name: EngineName): Connection {
  const child = fork(new URL('./worker.js', import.meta.url), [name], {
    serialization: 'advanced',
    execArgv: ['--expose-gc'],
  });
  return { ask: questions(name, child), stop: async () => void child.kill() };
}

function questions(name: EngineName, child: ChildProcess): Ask {
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
  return (call, args) =>
    new Promise((resolve, reject) => {
      const id = last++;
      open.set(id, { resolve, reject });
      child.send({ id, call, args } satisfies Question);
    });
}
