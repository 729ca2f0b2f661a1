/** The error function, with an error below 2e-15. */

const spacing = 1 / 16;
const terms = 10;
/** Beyond it erf is 1 in double precision. */
const limit = 6;

/** The power series of Abramowitz and Stegun 7.1.6, whose terms all have one sign: exact, and slow for large `x`. */
function series(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; term > sum * 1e-18; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

let table: Float64Array | undefined;

/**
 * Taylor coefficients of erf around the multiples of `spacing`. The derivatives of erf are those of a Gaussian, so that
 * c[n] = erf^(n)(a) / n! obeys (n + 1)(n + 2) c[n + 2] = -2 a (n + 1) c[n + 1] - 2 n c[n].
 */
function coefficients(): Float64Array {
  if (table) return table;
  const nodes = limit / spacing + 1;
  table = new Float64Array(nodes * terms);
  for (let node = 0; node < nodes; node++) {
    const a = node * spacing;
    const c = table.subarray(node * terms, (node + 1) * terms);
    c[0] = a === 0 ? 0 : series(a);
    c[1] = (2 / Math.sqrt(Math.PI)) * Math.exp(-a * a);
    for (let n = 0; n + 2 < terms; n++) c[n + 2] = -(2 * a * (n + 1) * c[n + 1]! + 2 * n * c[n]!) / ((n + 1) * (n + 2));
  }
  return table;
}

export function erf(x: number): number {
  const size = Math.abs(x);
  if (size >= limit) return Math.sign(x);
  const c = coefficients();
  const node = Math.round(size / spacing);
  const h = size - node * spacing;
  let sum = 0;
  for (let i = terms - 1; i >= 0; i--) sum = sum * h + c[node * terms + i]!;
  return Math.sign(x) * sum;
}
