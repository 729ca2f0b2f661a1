/** Backends by name: those that this install and machine have, and why others are absent. */

import { createJsBackend } from '@espalier/backend-js';
import type { AnyBackend } from '@espalier/core';
import type { MappedFile } from './source.ts';

/** What a backend is told when it is made. */
export interface BackendSettings {
  /** Threads that a backend may use at most; as many as make sense when absent. The scalar backend uses one. */
  readonly threads?: number | undefined;
  /** What arithmetic may be rounded to for speed: nothing below float32 unless asked. No effect on backends without such kernels. */
  readonly precision?: 'float32' | 'bfloat16' | undefined;
  /** Where `@espalier/backend-wasm/worker.js` is served, for pages whose bundler does not find it by itself. */
  readonly workerUrl?: string | URL | undefined;
}

/** A backend, or in one line why there is none here. */
export type Made = AnyBackend | { readonly reason: string };

/** The fastest first, the last resort last. */
const factories = {
  native: makeNative,
  wasm: makeWasm,
  js: async (): Promise<Made> => createJsBackend(),
} as const;
export type BackendName = keyof typeof factories;
export const backendNames = Object.keys(factories) as readonly BackendName[];

export function isBackendName(name: string): name is BackendName {
  return Object.hasOwn(factories, name);
}

const made = new Map<string, Promise<Made>>();

/** The backend of that name: made, and its machine measured, once for the same settings. */
export function makeBackend(name: BackendName, settings: BackendSettings = {}): Promise<Made> {
  const { threads, precision, workerUrl } = settings;
  const key = JSON.stringify([name, threads, precision, workerUrl]);
  let pending = made.get(key);
  if (!pending) {
    pending = factories[name](settings);
    made.set(key, pending);
  }
  return pending;
}

export type NativeModule = typeof import('@espalier/backend-native');

const NATIVE = '@espalier/backend-native';

/** The optional package with the native backend, or in one line why it cannot be had. */
export async function importNative(): Promise<NativeModule | { readonly reason: string }> {
  const { process } = globalThis as { process?: { versions?: { node?: string } } };
  if (!process?.versions?.node) return { reason: 'it needs Node' };
  try {
    return await importAtRunTime(NATIVE);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const absent = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
    return { reason: absent ? `${NATIVE} is not installed` : `${NATIVE} cannot be loaded: ${message}` };
  }
}

/** A file's bytes without a copy of them, where the native backend is there; undefined where it is not, or cannot. */
export async function mapFile(path: string): Promise<MappedFile | undefined> {
  const native = await importNative();
  return 'reason' in native ? undefined : native.mapFile(path);
}

/** Hidden from bundlers, which would follow the name into what runs in no browser. */
const importAtRunTime = (id: string): Promise<NativeModule> => import(/* webpackIgnore: true */ /* @vite-ignore */ id);

async function makeNative({ threads, precision }: BackendSettings): Promise<Made> {
  const native = await importNative();
  if ('reason' in native) return native;
  return native.createNativeBackend({
    ...(threads === undefined ? {} : { threads }),
    ...(precision === undefined ? {} : { precision }),
  });
}

/** Loaded when it is wanted: bundlers make a file of its own of it. */
async function makeWasm({ threads, workerUrl }: BackendSettings): Promise<Made> {
  const { createWasmBackend } = await import('@espalier/backend-wasm');
  return createWasmBackend({ threads, workerUrl });
}
