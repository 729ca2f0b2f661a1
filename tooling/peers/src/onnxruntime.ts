/** onnxruntime-node and onnxruntime-web, installed if need be. */

import { readFileSync } from 'node:fs';
import { installPeer, peerFolder } from './install.ts';
import { type Onnxruntime, type PeerSession, sessionOf, webSession } from './session.ts';

const VERSION = '1.30.0';

export interface PeerOptions {
  /** 1 when absent. */
  readonly threads?: number;
  /** Where the profile of each run's nodes goes: the start of the file's name. */
  readonly profile?: string;
  /** Where the model goes as the session's optimiser leaves it. */
  readonly optimized?: string;
}

/** Installs onnxruntime-node if need be and loads it. */
export function loadOnnxruntime(): Onnxruntime {
  return installPeer('onnxruntime-node', VERSION) as Onnxruntime;
}

export function peerSession(file: string, options: PeerOptions = {}): Promise<PeerSession> {
  const { threads = 1, profile, optimized } = options;
  return sessionOf(loadOnnxruntime(), file, {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
    ...(profile ? { enableProfiling: true, profileFilePrefix: profile } : {}),
    ...(optimized ? { optimizedModelFilePath: optimized } : {}),
  });
}

/** A session of onnxruntime-web in Node; all of a process have as many threads as the first. */
export function webPeerSession(file: string, threads: number): Promise<PeerSession> {
  return webSession(installPeer('onnxruntime-web', VERSION) as Onnxruntime, readFileSync(file), threads);
}

/** What a page has to be served of onnxruntime-web. */
export function webPeerFiles(): { readonly folder: string; readonly names: readonly string[] } {
  const module = 'ort-wasm-simd-threaded';
  return {
    folder: `${peerFolder('onnxruntime-web', VERSION)}/dist`,
    names: ['ort.wasm.min.mjs', `${module}.mjs`, `${module}.wasm`],
  };
}
