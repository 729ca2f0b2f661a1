/** The page that an engine runs in: `?engine=` says which. Calls are methods of what it puts into its global object. */

import { EspalierError } from '@espalier/core';
import { type Onnxruntime, webSession } from '@espalier/peers/session';
import { Answering, type Host } from './engines/answering.ts';
import type { EngineName } from './engines/engine.ts';
import { openEspalier } from './engines/espalier.ts';
import { type OpenSession, peerEngine } from './engines/session.ts';
import { quantile } from './statistics.ts';

const here = (name: string): string => new URL(name, location.href).href;

const openWeb: OpenSession = async ({ file, threads }) => {
  const module: Onnxruntime = await import(here('ort.wasm.min.mjs'));
  const model = await (await fetch(file)).arrayBuffer();
  return peerEngine(await webSession(module, new Uint8Array(model), threads));
};

const engines: Readonly<Partial<Record<EngineName, OpenSession>>> = {
  espalier: (options) => openEspalier({ ...options, workerUrl: here('worker.js') }),
  'onnxruntime-web': openWeb,
};

const host: Host = {
  async memory() {
    throw new EspalierError('UNSUPPORTED', 'a page does not know how much memory it takes: measure it in Node');
  },
  async delays(during) {
    const [channel, late] = [new MessageChannel(), [] as number[]];
    let last = performance.now();
    channel.port1.onmessage = () => {
      const now = performance.now();
      late.push(now - last);
      last = now;
      channel.port2.postMessage(0);
    };
    channel.port2.postMessage(0);
    await during();
    channel.port1.close();
    return { p50: quantile(late, 0.5), p99: quantile(late, 0.99), max: quantile(late, 1) };
  },
};

const open = engines[new URLSearchParams(location.search).get('engine') as EngineName];
if (!open) throw new EspalierError('BAD_INPUT', 'onnxruntime-node does not run in a page: use --peer web');
const answering = new Answering((options) => open({ ...options, file: here(options.file) }), host);
Object.assign(globalThis, { answering });
