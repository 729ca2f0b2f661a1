// What pruning does to the encoder: how fast its copies are, and how much they still agree with it.
import { load, prune, type Session } from 'espalier';
import { embed } from './encoder.ts';
import { modelPath } from './model.ts';
import { dot } from './search.ts';
import type { Encode } from './tokenizer.ts';

/** Every so many sentences are timed, so many times. */
const STEP = 4;
const ROUNDS = 3;

export interface PrunedCopy {
  /** The share of zeros in the weights of every product. */
  readonly sparsity: number;
  /** For a sentence, at best; of it in products. */
  readonly milliseconds: number;
  readonly inProducts: number;
  /** How many products the plan has, and how many of them run on kernels that skip zeros. */
  readonly products: number;
  readonly sparse: number;
  /** How the cosines of all pairs of sentences correlate with those of the first copy. */
  readonly agreement: number;
}

/** Copies of the encoder, pruned by magnitude in one shot; they take turns, so that noise meets all of them. */
export async function comparePruned(
  tokenize: Encode,
  sentences: readonly string[],
  sparsities: readonly number[],
): Promise<PrunedCopy[]> {
  const sample = sentences.filter((_, i) => i % STEP === 0);
  const sessions: Session[] = [];
  try {
    for (const sparsity of sparsities)
      sessions.push(await load(modelPath, { compress: (graph) => prune(graph, { sparsity }) }));
    const cosines: Float64Array[] = [];
    for (const session of sessions) cosines.push(cosinesOf(await embed({ session, tokenize }, sentences)));
    const best = sessions.map(() => ({ milliseconds: Number.POSITIVE_INFINITY, inProducts: Number.POSITIVE_INFINITY }));
    for (let round = 0; round < ROUNDS; round++) {
      for (const [i, session] of sessions.entries()) {
        const { milliseconds, inProducts } = await time(session, tokenize, sample);
        if (milliseconds < best[i]!.milliseconds) best[i] = { milliseconds, inProducts };
      }
    }
    return sessions.map((session, i) => {
      const products = session.explain().nodes.filter(({ op }) => op === 'MatMul');
      const sparse = products.filter(({ format }) => format !== 'dense').length;
      const agreement = correlation(cosines[0]!, cosines[i]!);
      return { sparsity: sparsities[i]!, ...best[i]!, products: products.length, sparse, agreement };
    });
  } finally {
    for (const session of sessions) await session.dispose();
  }
}

async function time(session: Session, tokenize: Encode, sample: readonly string[]) {
  let inProducts = 0;
  const started = performance.now();
  await embed({ session, tokenize }, sample, {
    onNode: ({ op, seconds }) => {
      if (op === 'MatMul') inProducts += (1000 * seconds) / sample.length;
    },
  });
  return { milliseconds: (performance.now() - started) / sample.length, inProducts };
}

/** Of every pair of vectors. */
function cosinesOf(vectors: readonly Float32Array[]): Float64Array {
  const cosines: number[] = [];
  for (const [i, vector] of vectors.entries()) for (let j = 0; j < i; j++) cosines.push(dot(vector, vectors[j]!));
  return Float64Array.from(cosines);
}

/** Pearson's r. */
export function correlation(x: Float64Array, y: Float64Array): number {
  const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [meanX, meanY] = [mean(x), mean(y)];
  let [xx, xy, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const [dx, dy] = [x[i]! - meanX, y[i]! - meanY];
    xx += dx * dx;
    xy += dx * dy;
    yy += dy * dy;
  }
  return xy / Math.sqrt(xx * yy);
}
