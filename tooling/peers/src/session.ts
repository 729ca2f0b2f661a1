/** Sessions of any of onnxruntime's packages, with Espalier's tensors in and out; runs in pages too. */

import { Tensor } from '@espalier/core';

interface OnnxruntimeTensor {
  readonly type: string;
  readonly data: ArrayLike<number | bigint | string>;
  readonly dims: readonly number[];
}

interface InferenceSession {
  run(feeds: Record<string, OnnxruntimeTensor>): Promise<Record<string, OnnxruntimeTensor>>;
  endProfiling(): void;
  release(): Promise<void>;
}

export interface Onnxruntime {
  readonly env: { readonly wasm: { numThreads?: number } };
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => OnnxruntimeTensor;
  readonly InferenceSession: { create(model: string | Uint8Array, options: object): Promise<InferenceSession> };
}

/** A model in onnxruntime. */
export interface PeerSession {
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  /** Writes the profile. */
  endProfiling(): void;
  dispose(): Promise<void>;
}

/** @param options onnxruntime's */
export async function sessionOf(
  module: Onnxruntime,
  model: string | Uint8Array,
  options: object,
): Promise<PeerSession> {
  const session = await module.InferenceSession.create(model, options);
  return {
    async run(feeds) {
      const given = Object.entries(feeds).map(([name, { type, data, dims }]) => [
        name,
        new module.Tensor(type, data, dims),
      ]);
      const results = await session.run(Object.fromEntries(given));
      return Object.fromEntries(
        Object.entries(results).map(([name, { type, data, dims }]) => [
          name,
          new Tensor(type as Tensor['type'], data as never, dims),
        ]),
      );
    },
    endProfiling: () => session.endProfiling(),
    dispose: () => session.release(),
  };
}

/** WebAssembly's: as many threads as are asked for, of all sessions. One thread runs where the caller is, as onnxruntime does it. */
export function webSession(module: Onnxruntime, model: Uint8Array, threads: number): Promise<PeerSession> {
  module.env.wasm.numThreads = threads;
  return sessionOf(module, model, { executionProviders: ['wasm'], logSeverityLevel: 3 });
}
