/** The nonzeros of a matrix row by row, found in one pass in the order of memory: who looks for those of a few columns waits for each row. */

import type { Cut, Matrix } from './cut.ts';

type Values = Float32Array | Int32Array;

export interface Nonzeros {
  /** Of each row where its first is, and behind the last row's. */
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  readonly values: Values;
  /** Of each row the one that is asked for next, if columns are asked for in order. */
  readonly next: Int32Array;
}

const known = new WeakMap<Matrix<Values>, Nonzeros>();

/** Found once for each matrix. */
export function nonzerosOf(matrix: Matrix<Values>, { k, n }: Pick<Cut, 'k' | 'n'>): Nonzeros {
  const found = known.get(matrix) ?? find(matrix, k, n);
  known.set(matrix, found);
  return found;
}

function find({ data, rowStep, columnStep }: Matrix<Values>, k: number, n: number): Nonzeros {
  // Integers compare faster; a float's sign makes it no other number than zero.
  const bits = new Int32Array(data.buffer, data.byteOffset, data.length);
  const counted = data instanceof Float32Array ? 0x7fffffff : -1;
  const starts = new Int32Array(k + 1);
  let columns = new Int32Array(Math.ceil((k * n) / LIKELY));
  let values = likeThat(data, columns.length);
  let used = 0;
  for (let row = 0; row < k; row++) {
    if (used + n > columns.length) {
      const length = Math.max(used + n, Math.ceil((columns.length * k) / (row + 1)));
      const [fewer, less] = [columns.subarray(0, used), values.subarray(0, used)];
      columns = new Int32Array(length);
      values = likeThat(data, length);
      columns.set(fewer);
      values.set(less);
    }
    for (let column = 0, read = row * rowStep; column < n; column++, read += columnStep)
      if ((bits[read]! & counted) !== 0) {
        columns[used] = column;
        values[used++] = data[read]!;
      }
    starts[row + 1] = used;
  }
  return { starts, columns, values, next: starts.slice(0, k) };
}

/** Of so many elements one is expected not to be zero; where more are, memory grows. */
const LIKELY = 8;

const likeThat = (data: Values, length: number): Values =>
  data instanceof Float32Array ? new Float32Array(length) : new Int32Array(length);

/** Where in a row the nonzeros from a column on begin. */
export function seek({ starts, columns, next }: Nonzeros, row: number, column: number): number {
  let at = next[row]!;
  while (at > starts[row]! && columns[at - 1]! >= column) at--;
  while (at < starts[row + 1]! && columns[at]! < column) at++;
  return at;
}
