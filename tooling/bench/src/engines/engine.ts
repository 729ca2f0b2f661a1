/** What a bench asks of an engine, which runs in a process of its own. */

import type { Rates } from '@espalier/core';
import { type DType, Tensor, type TensorData } from '@espalier/core';
import type { Sizes } from '../models/index.ts';
import type { Kind } from './kinds.ts';

export type PeerName = 'onnxruntime-node' | 'onnxruntime-web';
export type EngineName = 'espalier' | PeerName;

export interface EngineOptions {
  readonly file: string;
  readonly threads: number;
  readonly sizes: Sizes;
  /** Espalier's backends and the features hidden from all that have any. */
  readonly backends: readonly string[];
  readonly mask: readonly string[];
  readonly precision: 'float32' | 'bfloat16';
  /** Where a page finds the worker of the WebAssembly backend. */
  readonly workerUrl?: string;
}

export interface Opened {
  /** Seconds from the file's name to a session. */
  readonly seconds: number;
  /** What the machine does in a second, by backend; Espalier only. */
  readonly rates?: Readonly<Record<string, Rates>>;
  /** Seconds of a run that were predicted. */
  readonly predicted?: number;
}

/** One node of a run; the seconds are the least of several runs. */
export interface NodeTime {
  readonly node: string;
  readonly op: string;
  readonly kind: Kind;
  readonly kernel: string;
  readonly seconds: number;
  /** Known for Espalier's nodes. */
  readonly macs?: number;
  readonly bytes?: number;
  readonly predicted?: number;
}

export interface Timed {
  /** Seconds of each run. */
  readonly wall: readonly number[];
  /** Seconds of processor time of a run, on average: of all threads. Unknown in a page. */
  readonly cpu?: number;
}

/** A tensor between processes. */
export interface Sent {
  readonly type: DType;
  readonly data: TensorData;
  readonly dims: readonly number[];
}
export type SentTensors = Readonly<Record<string, Sent>>;

export const toSent = (tensors: Readonly<Record<string, Tensor>>): SentTensors =>
  Object.fromEntries(Object.entries(tensors).map(([name, { type, data, dims }]) => [name, { type, data, dims }]));
export const fromSent = (sent: SentTensors): Record<string, Tensor> =>
  Object.fromEntries(Object.entries(sent).map(([name, { type, data, dims }]) => [name, new Tensor(type, data, dims)]));

export interface Responsiveness {
  readonly runMs: number;
  /** Of the event loop while runs follow each other, and of the same loop left alone. */
  readonly delayMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly idleMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** From the abort to the rejection, of each run that was aborted; undefined for an engine that cannot. */
  readonly abortMs?: readonly number[];
}

export interface Throughput {
  readonly sessions: number;
  readonly threads: number;
  readonly runsPerSecond: number;
}

/** The calls that a worker answers. */
export interface Engine {
  open(options: EngineOptions): Promise<Opened>;
  feed(feeds: SentTensors): Promise<void>;
  run(): Promise<SentTensors>;
  time(runs: number): Promise<Timed>;
  nodes(runs: number): Promise<readonly NodeTime[]>;
  /** Bytes of this process in memory, after a garbage collection. */
  memory(): Promise<number>;
  responsiveness(seconds: number): Promise<Responsiveness>;
  /** Sessions of `threads` threads each in this process, all running over and over. */
  throughput(sessions: number, threads: number, seconds: number): Promise<Throughput>;
  close(): Promise<void>;
}
