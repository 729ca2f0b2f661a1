/** Espalier's sessions. */

import { createJsBackend } from '@espalier/backend-js';
import { createNativeBackend, type NativeFeature, nativeFeatures } from '@espalier/backend-native';
import { createWasmBackend, type WasmFeature, wasmFeatures } from '@espalier/backend-wasm';
import { type AnyBackend, EspalierError } from '@espalier/core';
import { calibrate, type Plan } from '@espalier/planner';
import { load, type NodeTiming } from 'espalier';
import type { EngineOptions, NodeTime } from './engine.ts';
import { kindOf } from './kinds.ts';
import { leastTimes, type OpenSession } from './session.ts';

type BackendOptions = Omit<EngineOptions, 'file' | 'sizes'>;
type Made = AnyBackend | { readonly reason: string };

/** Those that have features to hide. */
const maskable: Readonly<
  Record<string, { readonly features: readonly string[]; make(options: BackendOptions): Made | Promise<Made> }>
> = {
  native: {
    features: nativeFeatures,
    make: ({ mask, ...options }) => createNativeBackend({ ...options, mask: mask as readonly NativeFeature[] }),
  },
  wasm: {
    features: wasmFeatures,
    make: ({ mask, ...options }) => createWasmBackend({ ...options, mask: mask as readonly WasmFeature[] }),
  },
};

/** @throws EspalierError `UNSUPPORTED` where a backend does not exist here, `BAD_INPUT` for features that none has */
export function makeBackends(options: BackendOptions): Promise<AnyBackend[]> {
  return Promise.all(
    options.backends.map(async (name) => {
      if (name === 'js') return createJsBackend();
      const kind = maskable[name];
      if (!kind) throw new EspalierError('UNSUPPORTED', `there is no backend "${name}": use native, wasm, js`);
      const unknown = options.mask.filter((feature) => !kind.features.includes(feature));
      if (unknown.length > 0)
        throw new EspalierError(
          'BAD_INPUT',
          `the ${name} backend has no feature ${unknown.join(', ')} to hide: use ${kind.features.join(', ')}`,
        );
      const made = await kind.make(options);
      if ('reason' in made) throw new EspalierError('UNSUPPORTED', `no ${name} backend: ${made.reason}`);
      return made;
    }),
  );
}

export const openEspalier: OpenSession = async (options) => {
  const backends = await makeBackends(options);
  const session = await load(options.file, { backends, dims: options.sizes });
  const plan = session.explain();
  const { rates } = await calibrate(backends);
  return {
    opened: { rates, predicted: plan.seconds },
    aborts: true,
    run: (feeds, signal) => session.run(feeds, signal ? { signal } : undefined),
    async nodes(feeds, runs) {
      const all: (readonly NodeTime[])[] = [];
      for (let i = 0; i < runs; i++) {
        const timings: NodeTiming[] = [];
        await session.run(feeds, { onNode: (timing) => void timings.push(timing) });
        all.push(describe(timings, plan));
      }
      return leastTimes(all);
    },
    async close() {
      await session.dispose();
      for (const backend of backends) backend.dispose();
    },
  };
};

function describe(timings: readonly NodeTiming[], plan: Plan): NodeTime[] {
  const planned = new Map(plan.nodes.map((node) => [node.name, node]));
  return timings.map(({ node, op, backend, kernel, seconds }) => {
    const { inputs = [], epilogue = [], macs = 0, bytes = 0, seconds: predicted = 0 } = planned.get(node) ?? {};
    const ranks = inputs.map((text) => (text.match(/,/g)?.length ?? 0) + 1);
    const kind = kindOf(op, ranks);
    return {
      ...{ node, op: [op, ...epilogue].join('+'), kind, kernel: `${backend}/${kernel}`, seconds },
      ...{ macs, bytes, predicted },
    };
  });
}
