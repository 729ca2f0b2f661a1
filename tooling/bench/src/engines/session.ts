/** What both engines are to a worker: a way to open sessions. */

import type { Tensor } from '@espalier/core';
import type { PeerSession } from '@espalier/peers/session';
import type { EngineOptions, NodeTime, Opened } from './engine.ts';

export interface EngineSession {
  readonly opened: Omit<Opened, 'seconds'>;
  run(feeds: Readonly<Record<string, Tensor>>, signal?: AbortSignal): Promise<Record<string, Tensor>>;
  /** True where a run hears its signal. */
  readonly aborts: boolean;
  nodes(feeds: Readonly<Record<string, Tensor>>, runs: number): Promise<readonly NodeTime[]>;
  close(): Promise<void>;
}

/** A peer, which neither aborts nor says what its nodes took unless it is asked in its own way. */
export const peerEngine = (session: PeerSession): EngineSession => ({
  opened: {},
  aborts: false,
  run: (feeds) => session.run(feeds),
  nodes: async () => [],
  close: () => session.dispose(),
});

export type OpenSession = (options: EngineOptions) => Promise<EngineSession>;

/** The nodes of several runs as those of one: of each the least time. */
export function leastTimes(runs: readonly (readonly NodeTime[])[]): readonly NodeTime[] {
  const [first = [], ...others] = runs;
  return first.map((node, i) => ({
    ...node,
    seconds: others.reduce((least, other) => Math.min(least, other[i]?.seconds ?? least), node.seconds),
  }));
}
