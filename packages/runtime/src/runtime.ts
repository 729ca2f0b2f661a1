/** Backends put together: plans graphs over them and makes sessions. */

import { type AnyBackend, createEvaluator, EspalierError, type Graph, type OpTable, onnxOps } from '@espalier/core';
import { type AbsentBackend, calibrate, type DeviceProfile, planGraph } from '@espalier/planner';
import { type CompileContext, Executable } from './executable.ts';
import { createSession, type Session } from './session.ts';

export interface RuntimeOptions {
  /** In order of trust: the last one is also used to compute constants. */
  readonly backends: readonly AnyBackend[];
  /** Backends that were wanted and are not here: plans tell of them. */
  readonly absent?: readonly AbsentBackend[];
  /** Rates measured before, or of another machine; backends it does not have are measured. */
  readonly profile?: DeviceProfile;
  /** The ops that graphs may use; ONNX's (and Espalier's own) when absent. */
  readonly ops?: OpTable;
}

export interface SessionOptions {
  /** Sizes to expect, by symbol: what the plan is made best for. It holds for all others too. */
  readonly dims?: Readonly<Record<string, number>>;
  /** Names of graph passes to leave out. */
  readonly disablePasses?: readonly string[];
  /** True where the bytes of the graph's constants are gone once the session is there: what runs read of them is copied. */
  readonly areConstantsBorrowed?: boolean;
  readonly signal?: AbortSignal;
  /** Told of progress, `done` of `total` nodes prepared. */
  onProgress?(progress: { readonly stage: 'plan' | 'prepare'; readonly done: number; readonly total: number }): void;
}

export interface Runtime {
  readonly backends: readonly AnyBackend[];
  readonly absent: readonly AbsentBackend[];
  /** The rates that plans are made with, measured when first asked for. */
  profile(signal?: AbortSignal): Promise<DeviceProfile>;
  /** Plans a graph and prepares it. @throws UnsupportedError naming every node that no backend can run */
  createSession(graph: Graph, options?: SessionOptions): Promise<Session>;
  /** Gives the backends' memory back; sessions must have been disposed. */
  dispose(): void;
}

/** @throws TypeError when no backend is given or two have the same id */
export function createRuntime(options: RuntimeOptions): Runtime {
  const { backends, absent = [], ops = onnxOps } = options;
  if (backends.length === 0) throw new TypeError('createRuntime needs at least one backend, e.g. createJsBackend()');
  const ids = backends.map((backend) => backend.id);
  if (new Set(ids).size !== ids.length) throw new TypeError(`two backends have the same id: ${ids.join(', ')}`);
  const sessions = new Set<Session>();
  // Sessions live without the graph that they were made of.
  const models = new WeakMap<Graph, Model>();
  const evaluate = createEvaluator(backends.at(-1)!, ops);
  const profile = (signal?: AbortSignal): Promise<DeviceProfile> => calibrate(backends, options.profile, signal);
  return {
    backends,
    absent,
    profile,
    async createSession(graph, { dims, disablePasses, areConstantsBorrowed, signal, onProgress } = {}) {
      const abort = signal ? { signal } : {};
      onProgress?.({ stage: 'plan', done: 0, total: graph.nodes.length });
      const planned = await planGraph(graph, {
        backends,
        absent,
        ops,
        evaluate,
        profile: await profile(signal),
        ...(dims ? { expect: dims } : {}),
        ...(disablePasses ? { disable: disablePasses } : {}),
        ...abort,
      });
      const total = planned.assignments.length;
      let done = 0;
      const model = models.get(graph) ?? modelOn(backends);
      models.set(graph, model);
      const executable = await Executable.compile(planned, {
        ...model,
        ops,
        areBorrowed: areConstantsBorrowed,
        ...abort,
        onNode: () => onProgress?.({ stage: 'prepare', done: Math.min(++done, total), total }),
      });
      onProgress?.({ stage: 'prepare', done: total, total });
      const session: Session = createSession(executable, () => sessions.delete(session));
      sessions.add(session);
      return session;
    },
    dispose() {
      if (sessions.size > 0)
        throw new EspalierError('BAD_INPUT', `${sessions.size} session(s) still use this runtime: dispose them first`);
      for (const backend of backends) backend.dispose();
    },
  };
}

/** Backends as the sessions of a model see them: with the memory that they set apart for it. */
type Model = Pick<CompileContext, 'backends' | 'partitions'>;

function modelOn(backends: readonly AnyBackend[]): Model {
  const partitions = backends.map((backend) => backend.partition?.());
  return { backends: backends.map((backend, i) => ({ ...backend, ...partitions[i] })), partitions };
}
