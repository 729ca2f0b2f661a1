/** Sessions of onnxruntime-node and onnxruntime-web. */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peerSession, webPeerSession } from '@espalier/peers';
import type { NodeTime } from './engine.ts';
import { kindOf } from './kinds.ts';
import { leastTimes, type OpenSession, peerEngine } from './session.ts';

export const openOnnxruntimeWeb: OpenSession = async ({ file, threads }) =>
  peerEngine(await webPeerSession(file, threads));

export const openOnnxruntime: OpenSession = async ({ file, threads }) => {
  const session = await peerSession(file, { threads });
  return {
    ...peerEngine(session),
    async nodes(feeds, runs) {
      const folder = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
      try {
        const profiled = await peerSession(file, { threads, profile: join(folder, 'profile') });
        for (let i = 0; i <= runs; i++) await profiled.run(feeds);
        profiled.endProfiling();
        await profiled.dispose();
        const [profile] = readdirSync(folder);
        // The first run allocates.
        return leastTimes(readProfile(readFileSync(join(folder, profile!), 'utf8')).slice(1));
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  };
};

interface TraceEvent {
  readonly cat: string;
  readonly name: string;
  /** Microseconds. */
  readonly dur: number;
  readonly args?: {
    readonly op_name?: string;
    readonly input_type_shape?: readonly Record<string, readonly number[]>[];
  };
}

/** The nodes of each run in onnxruntime's profile, a trace in Chromium's format. */
export function readProfile(text: string): NodeTime[][] {
  const runs: NodeTime[][] = [];
  let open: NodeTime[] = [];
  for (const { cat, name, dur, args } of JSON.parse(text) as TraceEvent[]) {
    if (cat === 'Session' && name === 'model_run') {
      runs.push(open);
      open = [];
    }
    const op = args?.op_name;
    if (cat !== 'Node' || !name.endsWith('_kernel_time') || !op) continue;
    const ranks = (args?.input_type_shape ?? []).map((type) => Object.values(type)[0]?.length ?? 0);
    open.push({ node: name.slice(0, -12), op, kind: kindOf(op, ranks), kernel: op, seconds: dur / 1e6 });
  }
  return runs;
}
