/** onnxruntime-node, with Espalier's tensors in and out. */

import { Tensor } from '@espalier/core';
import { installPeer } from './install.ts';

const VERSION = '1.30.0';

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

interface Onnxruntime {
  readonly Tensor: new (type: string, data: unknown, dims: readonly number[]) => OnnxruntimeTensor;
  readonly InferenceSession: { create(path: string, options: object): Promise<InferenceSession> };
}

export interface PeerOptions {
  /** 1 when absent. */
  readonly threads?: number;
  /** Where the profile of each run's nodes goes: the start of the file's name. */
  readonly profile?: string;
  /** Where the model goes as the session's optimiser leaves it. */
  readonly optimized?: string;
}

/** A model in onnxruntime. */
export interface PeerSession {
  run(feeds: Readonly<Record<string, Tensor>>): Promise<Record<string, Tensor>>;
  /** Writes the profile. */
  endProfiling(): void;
  dispose(): Promise<void>;
}

/** Installs onnxruntime-node if need be and loads it. */
export function loadOnnxruntime(): Onnxruntime {
  return installPeer('onnxruntime-node', VERSION) as Onnxruntime;
}

export async function peerSession(file: string, options: PeerOptions = {}): Promise<PeerSession> {
  const { threads = 1, profile, optimized } = options;
  const module = loadOnnxruntime();
  const session = await module.InferenceSession.create(file, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    ...(profile ? { enableProfiling: true, profileFilePrefix: profile } : {}),
    ...(optimized ? { optimizedModelFilePath: optimized } : {}),
  });
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
