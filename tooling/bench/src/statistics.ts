/** What a list of times says. */

/** The value that a share of the others is below, between neighbours in proportion. @throws RangeError for no values */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new RangeError('no values have no quantile');
  const sorted = [...values].sort((a, b) => a - b);
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)]!, sorted[Math.ceil(at)]!];
  return low + (high - low) * (at - Math.floor(at));
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

export interface Ratio {
  /** Of the medians of all runs. */
  readonly ofMedians: number;
  /** Of the least times: what a quiet machine would show. */
  readonly ofLeast: number;
  /** Quartiles of the ratios of the rounds' medians. */
  readonly spread: readonly [low: number, high: number];
}

/**
 * How many times as long `theirs` took as `ours`, by rounds of runs that took turns: above 1 where we are faster.
 * @throws RangeError where a list has no rounds, or not as many as the other
 */
export function ratioOf(ours: readonly (readonly number[])[], theirs: readonly (readonly number[])[]): Ratio {
  if (ours.length !== theirs.length) throw new RangeError(`${ours.length} rounds against ${theirs.length}`);
  const [a, b] = [ours.flat(), theirs.flat()];
  const rounds = ours.map((round, i) => median(theirs[i]!) / median(round));
  return {
    ofMedians: median(b) / median(a),
    ofLeast: Math.min(...b) / Math.min(...a),
    spread: [quantile(rounds, 0.25), quantile(rounds, 0.75)],
  };
}

/** The slope of the line of least squares through the values, per step. */
export function slope(values: readonly number[]): number {
  const n = values.length;
  const [centre, mean] = [(n - 1) / 2, values.reduce((a, b) => a + b, 0) / n];
  let [above, below] = [0, 0];
  values.forEach((value, i) => {
    above += (i - centre) * (value - mean);
    below += (i - centre) ** 2;
  });
  return below === 0 ? 0 : above / below;
}
