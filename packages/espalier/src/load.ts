/** `load`: from a model's file to a session, in one call. */

import { type AnyBackend, EspalierError, type Graph, UnsupportedError } from '@espalier/core';
import { importOnnx, isOnnx } from '@espalier/onnx';
import type { AbsentBackend, DeviceProfile } from '@espalier/planner';
import { createRuntime, type Runtime, type Session, type SessionOptions } from '@espalier/runtime';
import { isSafetensors } from '@espalier/safetensors';
import {
  type BackendName,
  type BackendSettings,
  backendNames,
  isBackendName,
  makeBackend,
  mapFile,
} from './backends.ts';
import { type ModelSource, type OpenSource, openSource } from './source.ts';

export interface Progress {
  readonly stage: 'read' | 'import' | 'plan' | 'prepare';
  /** Bytes while reading (of all files that were begun), nodes while preparing. */
  readonly done: number;
  /** Undefined where it is not known. */
  readonly total: number | undefined;
}

export interface LoadOptions extends BackendSettings {
  /** Backends by name, or as objects; all that this install and machine have when absent. */
  readonly backends?: readonly (BackendName | AnyBackend)[];
  /** Sizes to expect, by the name of the dimension. The plan holds for all others too. */
  readonly dims?: Readonly<Record<string, number>>;
  /** Rates measured before; measured now where absent. */
  readonly profile?: DeviceProfile;
  /** What is done to the model before it is planned: `(graph) => prune(graph, { sparsity: 0.8 })`. */
  compress?(graph: Graph): Graph | Promise<Graph>;
  /** Names of graph passes to leave out. */
  readonly disablePasses?: readonly string[];
  readonly signal?: AbortSignal;
  onProgress?(progress: Progress): void;
}

/**
 * Loads a model and makes it ready to run. ONNX files and TensorFlow.js graph models (`model.json`) are told apart by
 * their bytes. Files must not be written to until the promise settles.
 * @throws EspalierError `NOT_FOUND`, `BAD_FILE`, `BAD_GRAPH`, `UNSUPPORTED` (listing every node that cannot run), `UNSAFE_PATH`, `ABORTED`
 */
export async function load(source: ModelSource, options: LoadOptions = {}): Promise<Session> {
  const { onProgress, signal, compress, backends } = options;
  onProgress?.({ stage: 'read', done: 0, total: undefined });
  // Who compresses may keep the graph, and its constants with it.
  const map = !compress && (!backends || backends.includes('native')) ? mapFile : undefined;
  const onBytes = (done: number, total: number | undefined): void => onProgress?.({ stage: 'read', done, total });
  const opening = openSource(source, { signal, onBytes, map });
  try {
    // Files are read on other threads meanwhile.
    const [opened, runtime] = await Promise.all([opening, makeRuntime(options)]);
    onProgress?.({ stage: 'import', done: 0, total: undefined });
    const imported = await importGraph(opened, signal);
    const graph = compress ? await compress(imported) : imported;
    const areConstantsBorrowed = (opened.mapped ?? []).length > 0;
    return await runtime.createSession(graph, { ...sessionOptions(options), areConstantsBorrowed });
  } finally {
    await opening.then(closeFiles, () => undefined);
  }
}

function closeFiles({ mapped = [] }: OpenSource): void {
  for (const file of mapped) file.close();
}

/**
 * The runtime that these options ask for. Backends asked for by name that are not here are left out, and plans tell why.
 * @throws TypeError for a backend that does not exist
 * @throws UnsupportedError when none of them is here
 */
export async function makeRuntime(options: LoadOptions): Promise<Runtime> {
  const { backends = backendNames, threads, precision = 'float32', workerUrl, profile } = options;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1))
    throw new TypeError(`threads must be a whole number from 1 on, not ${threads}`);
  if (precision !== 'float32' && precision !== 'bfloat16')
    throw new TypeError(`precision must be float32 or bfloat16, not "${precision}"`);
  const wrong = backends.find((backend) => typeof backend === 'string' && !isBackendName(backend));
  if (wrong)
    throw new TypeError(
      `there is no backend "${wrong}": use one of ${backendNames.join(', ')}, or pass a backend object`,
    );
  const present: AnyBackend[] = [];
  const absent: AbsentBackend[] = [];
  for (const backend of backends) {
    // Where there is machine code, WebAssembly would only take time to start: it is there when it is asked for.
    if (backend === 'wasm' && !options.backends && present.length > 0) continue;
    const made = typeof backend === 'string' ? await makeBackend(backend, { threads, precision, workerUrl }) : backend;
    if ('reason' in made) absent.push({ id: backend as BackendName, reason: made.reason });
    else present.push(made);
  }
  if (present.length === 0 && absent.length > 0) {
    const lines = absent.map(({ id, reason }) => `${id}: ${reason}`);
    throw new UnsupportedError(
      `no backend that was asked for is here (${lines.join('; ')}); "js" is everywhere`,
      lines,
    );
  }
  return createRuntime({ backends: present, absent, ...(profile ? { profile } : {}) });
}

function sessionOptions({ dims, disablePasses, signal, onProgress }: LoadOptions): SessionOptions {
  return {
    ...(dims ? { dims } : {}),
    ...(disablePasses ? { disablePasses } : {}),
    ...(signal ? { signal } : {}),
    ...(onProgress ? { onProgress } : {}),
  };
}

/** The graph in a model's file, its format told by the bytes. */
export async function importGraph({ name, bytes, sibling }: OpenSource, signal?: AbortSignal): Promise<Graph> {
  const missing = (file: string): Promise<never> => {
    throw new EspalierError(
      'NOT_FOUND',
      `the model needs the file "${file}" beside it: load it by path or URL, not from bytes`,
      { file },
    );
  };
  const beside = sibling ?? missing;
  const abort = signal ? { signal } : {};
  if (isSafetensors(bytes))
    throw new EspalierError(
      'UNSUPPORTED',
      `${name} is a safetensors file: it holds weights but no graph. Load the ONNX or TensorFlow.js model instead`,
      { file: name },
    );
  if (startsWith(bytes, 'GGUF'))
    throw new EspalierError(
      'UNSUPPORTED',
      `${name} is a GGUF file, which this version does not read. Load the ONNX model instead`,
      { file: name },
    );
  if (isOnnx(bytes)) {
    const files = new Map<string, Promise<Uint8Array>>();
    const external = async (file: string, offset: number, length: number | undefined): Promise<Uint8Array> => {
      const all = files.get(file) ?? beside(file);
      files.set(file, all);
      return (await all).subarray(offset, length === undefined ? undefined : offset + length);
    };
    return (await importOnnx(bytes, { file: name, external, ...abort })).graph;
  }
  const json = parseJson(bytes);
  if (json && typeof json === 'object' && 'modelTopology' in json) {
    const { importTfjs } = await import('@espalier/tfjs');
    return (await importTfjs(json, beside, { file: name, ...abort })).graph;
  }
  throw new EspalierError('BAD_FILE', `${name} is neither an ONNX file nor a TensorFlow.js model.json`, { file: name });
}

function startsWith(bytes: Uint8Array, text: string): boolean {
  return [...text].every((char, i) => bytes[i] === char.charCodeAt(0));
}

function parseJson(bytes: Uint8Array): unknown {
  if (!/^\s*\{/.test(new TextDecoder().decode(bytes.subarray(0, 64)))) return undefined;
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined; // Not JSON after all: the caller reports a file of no known format.
  }
}
