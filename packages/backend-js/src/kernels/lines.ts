/** Ops along one axis: ArgMax, ArgMin, Hardmax, TopK, CumSum. */

import { EspalierError, type HostKernel, normalizeAxis, type Phase, sizeOf } from '@espalier/core';
import { define, type Operand, type Operands } from '../define.ts';
import { integers, zero } from '../movement.ts';

/** The lines of an operand along an axis: where each starts, and the step from one element to the next. */
function linesOf({ dims, size }: Operand, axis: number) {
  const [length, step] = [dims[axis], sizeOf(dims.slice(axis + 1))];
  return {
    length,
    step,
    count: length === 0 ? 0 : size / length,
    start: (line: number): number => Math.floor(line / step) * step * length + (line % step),
  };
}

/** The same work for each line, one unit each. */
function eachLine(count: number, run: (line: number) => void): Phase {
  return {
    units: count,
    run: (from, to) => {
      for (let line = from; line < to; line++) run(line);
    },
  };
}

/** Whether one element, a number or bigint, is chosen rather than another. */
// biome-ignore lint/suspicious/noExplicitAny: operators work on both.
type Before = (a: any, b: any) => boolean;

/** NaN is chosen first, as numpy does. */
const larger: Before = (a, b) => a > b || (Number.isNaN(a) && !Number.isNaN(b));
const smaller: Before = (a, b) => a < b || (Number.isNaN(a) && !Number.isNaN(b));

/** The index of the element that comes before all others in a line. */
function best(
  data: Operand['data'],
  start: number,
  step: number,
  length: number,
  before: Before,
  last = false,
): number {
  let found = 0;
  for (let i = 1; i < length; i++) {
    const [a, b] = [data[start + i * step], data[start + found * step]];
    if (last ? !before(b, a) : before(a, b)) found = i;
  }
  return found;
}

const arg = (op: string, before: Before): HostKernel =>
  define({
    op,
    macs: ([x]) => sizeOf(x!),
    compute: ({ inputs: [x], outputs: [y], attrs }) => {
      const { length, step, count, start } = linesOf(x!, normalizeAxis(attrs.axis as number, x!.dims.length));
      return eachLine(count, (line) => {
        y!.data[line] = BigInt(best(x!.data, start(line), step, length, before, attrs.select_last_index === 1));
      });
    },
  });

function hardmax({ inputs: [x], outputs: [y], attrs }: Operands): Phase {
  const { length, step, count, start } = linesOf(x!, normalizeAxis(attrs.axis as number, x!.dims.length));
  return eachLine(count, (line) => {
    const at = start(line);
    const found = best(x!.data, at, step, length, larger);
    for (let i = 0; i < length; i++) y!.data[at + i * step] = i === found ? 1 : 0;
  });
}

/** The best elements of a line stand in a heap with the worst of them on top, which the next better one replaces. */
function topK({ inputs: [x], outputs: [values, indices], attrs }: Operands): Phase {
  const axis = normalizeAxis(attrs.axis as number, x!.dims.length);
  const { length, step, count, start } = linesOf(x!, axis);
  const k = (values ?? indices)!.dims[axis];
  if (k > length) throw new EspalierError('BAD_INPUT', `asks for ${k} of ${length} elements along axis ${axis}`);
  const first = attrs.largest ? larger : smaller;
  return eachLine(k === 0 ? 0 : count, (line) => {
    const from = start(line);
    const read = (i: number) => x!.data[from + i * step];
    const worse = (a: number, b: number): boolean => first(read(b), read(a)) || (!first(read(a), read(b)) && a > b);
    const heap = new Float64Array(k);
    const sink = (root: number, size: number): void => {
      for (let at = root; ; ) {
        let next = 2 * at + 1;
        if (next >= size) return;
        if (next + 1 < size && worse(heap[next + 1], heap[next])) next++;
        if (!worse(heap[next], heap[at])) return;
        [heap[at], heap[next]] = [heap[next], heap[at]];
        at = next;
      }
    };
    for (let i = 0; i < k; i++) heap[i] = i;
    for (let i = k >> 1; i-- > 0; ) sink(i, k);
    for (let i = k; i < length; i++) {
      if (worse(i, heap[0])) continue;
      heap[0] = i;
      sink(0, k);
    }
    // The worst goes to the end, until the best is in front.
    for (let size = k - 1; size > 0; size--) {
      [heap[0], heap[size]] = [heap[size], heap[0]];
      sink(0, size);
    }
    const to = Math.floor(line / step) * step * k + (line % step);
    for (let i = 0; i < k; i++) {
      if (values) values.data[to + i * step] = read(heap[i]);
      if (indices) indices.data[to + i * step] = BigInt(heap[i]);
    }
  });
}

function cumSum({ inputs: [x, along], outputs: [y], attrs }: Operands): Phase {
  const axis = normalizeAxis(integers(along)![0], x!.dims.length);
  const { length, step, count, start } = linesOf(x!, axis);
  const none = zero(x!.dtype);
  return eachLine(count, (line) => {
    let [at, by] = [start(line), step];
    if (attrs.reverse) [at, by] = [at + (length - 1) * step, -step];
    for (let i = 0; i < length; i++, at += by) {
      // The sum so far is read back, so that it is rounded (or wraps) as the dtype does.
      const before = i === 0 ? none : y!.data[at - by];
      if (attrs.exclusive) y!.data[at] = i === 0 ? none : before + x!.data[at - by];
      else y!.data[at] = before + x!.data[at];
    }
  });
}

export const lines: readonly HostKernel[] = [
  arg('ArgMax', larger),
  arg('ArgMin', smaller),
  define({ op: 'Hardmax', compute: hardmax }),
  define({ op: 'TopK', compute: topK, macs: ([x]) => sizeOf(x!) }),
  define({ op: 'CumSum', compute: cumSum }),
];
