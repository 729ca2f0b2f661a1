/**
 * One backend for every node, so that the whole graph is cheapest: the sum of the kernels' times and of what it costs to
 * move values between backends.
 *
 * Nodes are decided in order. A state is where each value that is still needed can be read; of the ways that lead to the
 * same state only the cheapest is kept, so the result is exact until more than BEAM states are open at once.
 */

const BEAM = 64;

/** What the choice needs to know of a node. */
export interface Decision {
  /** Seconds by backend; undefined where the backend cannot. */
  readonly seconds: readonly (number | undefined)[];
  /** Values read, by index; constants are not among them. */
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /**
   * `view`: the output is the first read value's bytes, wherever they are, and costs nothing. `host`: run by the runtime,
   * on values in host memory.
   */
  readonly place: 'backend' | 'view' | 'host';
}

export interface Choice {
  /** The backend of each node; -1 for views and what the runtime runs. */
  readonly backends: readonly number[];
  readonly seconds: number;
}

interface State {
  readonly seconds: number;
  /** By value: bit b+1 is set where backend b can read it, bit 0 for host memory. */
  readonly where: ReadonlyMap<number, number>;
  readonly last: State | undefined;
  readonly backend: number;
}

/**
 * @param inputs values that are in host memory before the first node
 * @param bytes by value
 * @param crossing seconds to move bytes between backends, -1 is host memory
 * @throws RangeError when some node has no backend at all
 */
export function choose(
  decisions: readonly Decision[],
  inputs: readonly number[],
  outputs: readonly number[],
  bytes: readonly number[],
  crossing: (from: number, to: number, bytes: number) => number,
): Choice {
  const lastRead = new Map<number, number>();
  decisions.forEach(({ reads }, i) => {
    for (const value of reads) lastRead.set(value, i);
  });
  for (const value of outputs) lastRead.set(value, decisions.length);
  let states: State[] = [
    { seconds: 0, where: new Map(inputs.map((value) => [value, 1])), last: undefined, backend: -1 },
  ];
  decisions.forEach((decision, index) => {
    const best = new Map<string, State>();
    for (const state of states) {
      for (const next of successors(state, decision, bytes, crossing)) {
        for (const value of [...decision.reads, ...decision.writes])
          if ((lastRead.get(value) ?? -1) <= index) next.where.delete(value);
        const key = [...next.where].map(([value, mask]) => `${value}:${mask}`).join();
        const rival = best.get(key);
        if (!rival || next.seconds < rival.seconds) best.set(key, next);
      }
    }
    if (best.size === 0) throw new RangeError(`node ${index} has no backend`);
    states = [...best.values()].sort((a, b) => a.seconds - b.seconds).slice(0, BEAM);
  });
  const home = (state: State): number =>
    outputs.reduce(
      (sum, value) => sum + fetchCost(state.where.get(value) ?? 1, -1, bytes[value]!, crossing),
      state.seconds,
    );
  const [winner] = states.sort((a, b) => home(a) - home(b));
  const backends: number[] = [];
  for (let state = winner; state?.last; state = state.last) backends.unshift(state.backend);
  return { backends, seconds: home(winner!) };
}

function* successors(
  state: State,
  { seconds, reads, writes, place }: Decision,
  bytes: readonly number[],
  crossing: (from: number, to: number, bytes: number) => number,
): Generator<State & { where: Map<number, number> }> {
  if (place !== 'backend') {
    const where = new Map(state.where);
    for (const value of writes) where.set(value, place === 'host' ? 1 : (where.get(reads[0]!) ?? 1));
    yield { seconds: state.seconds, where, last: state, backend: -1 };
    return;
  }
  for (const [backend, cost] of seconds.entries()) {
    if (cost === undefined) continue;
    const where = new Map(state.where);
    let total = state.seconds + cost;
    for (const value of reads) {
      const mask = where.get(value) ?? 1;
      total += fetchCost(mask, backend, bytes[value]!, crossing);
      where.set(value, mask | (1 << (backend + 1)));
    }
    for (const value of writes) where.set(value, 1 << (backend + 1));
    yield { seconds: total, where, last: state, backend };
  }
}

function fetchCost(
  mask: number,
  to: number,
  bytes: number,
  crossing: (from: number, to: number, bytes: number) => number,
): number {
  if (mask & (1 << (to + 1))) return 0;
  let cheapest = Number.POSITIVE_INFINITY;
  for (let from = -1; mask >> (from + 1) !== 0; from++)
    if (mask & (1 << (from + 1))) cheapest = Math.min(cheapest, to < 0 ? 0 : crossing(from, to, bytes));
  return cheapest;
}
