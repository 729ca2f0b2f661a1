/** Espalier's sessions. */

import { createJsBackend } from '@espalier/backend-js';
import { createNativeBackend, type NativeFeature, nativeFeatures } from '@espalier/backend-native';
import { type AnyBackend, EspalierError } from '@espalier/core';
import { calibrate, type Plan } from '@espalier/planner';
import { load, type NodeTiming } from 'espalier';
import type { EngineOptions, NodeTime } from './engine.ts';
import { kindOf } from './kinds.ts';
import { leastTimes, type OpenSession } from './session.ts';

/** @throws EspalierError `UNSUPPORTED` where a backend does not exist here, `BAD_INPUT` for features that none has */
export function makeBackends({
  backends,
  threads,
  mask,
  precision,
}: Omit<EngineOptions, 'file' | 'sizes'>): AnyBackend[] {
  return backends.map((name) => {
    if (name === 'js') return createJsBackend();
    if (name !== 'native') throw new EspalierError('UNSUPPORTED', `there is no backend "${name}": use native, js`);
    const unknown = mask.filter((feature) => !(nativeFeatures as readonly string[]).includes(feature));
    if (unknown.length > 0)
      throw new EspalierError(
        'BAD_INPUT',
        `the native backend has no feature ${unknown.join(', ')} to hide: use ${nativeFeatures.join(', ')}`,
      );
    const native = createNativeBackend({ threads, mask: mask as readonly NativeFeature[], precision });
    if ('reason' in native) throw new EspalierError('UNSUPPORTED', `no native backend: ${native.reason}`);
    return native;
  });
}

export const openEspalier: OpenSession = async (options) => {
  const backends = makeBackends(options);
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
