/**
 * What a case is made of: a list of numbers. Whoever grows a case draws from it; when it is used up, every draw is 0, the simplest
 * choice. So a failing case is made smaller by editing its list, whatever the case means.
 */

export type Choices = readonly number[];

export class Source {
  private at = 0;
  private readonly choices: Choices;

  constructor(choices: Choices) {
    this.choices = choices;
  }

  /** One of 0 ... count - 1, small ones being simple; 0 where there is none. */
  below(count: number): number {
    return (this.choices[this.at++] ?? 0) % Math.max(1, count);
  }

  /** One of `list`, the simplest first. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** True once in `count` draws, and never in the simplest case. */
  chance(count: number): boolean {
    return this.below(count) === count - 1;
  }

  get used(): number {
    return this.at;
  }
}

/** Uniform in [0, 1); the same for the same seed. Source: mulberry32. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const LENGTH = 400;

export function randomChoices(seed: number): Choices {
  const random = randomNumbers(seed);
  return Array.from({ length: LENGTH }, () => Math.floor(random() * 2 ** 16));
}

/**
 * The smallest list, by its length and then its numbers, that still fails: found by leaving out, zeroing and lowering.
 * @param until when to be content with the smallest that was found, as `Date.now()` tells it
 */
export async function shrink(
  choices: Choices,
  fails: (choices: Choices) => Promise<boolean>,
  until = Number.POSITIVE_INFINITY,
): Promise<Choices> {
  let best = choices;
  const attempt = async (candidate: Choices): Promise<boolean> => {
    if (Date.now() >= until) return false;
    if (candidate.length === best.length && candidate.every((each, i) => each === best[i])) return false;
    if (!(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let before: Choices | undefined; before !== best; ) {
    before = best;
    for (let size = best.length; size >= 1; size >>= 1) {
      for (let from = best.length - size; from >= 0; from -= size) {
        if (await attempt(best.toSpliced(from, size))) continue;
        if (best.slice(from, from + size).some(Boolean))
          await attempt(best.map((c, i) => (i < from || i >= from + size ? c : 0)));
      }
    }
    for (let i = 0; i < best.length; i++) {
      for (let step = best[i]!; step >= 1; step >>= 1)
        while (best[i]! >= step && (await attempt(best.with(i, best[i]! - step)))) {}
    }
  }
  return best;
}
