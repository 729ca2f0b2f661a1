/** Sizes at which symbols are priced when nobody said which to expect. */

import { type Binding, bindShape, type Dim, dim, EspalierError, type Graph, type Inferred } from '@espalier/core';

/** Tried in this order until every shape of the graph makes sense and has elements: pictures and sequences differ in what they allow. */
const guesses = [128, 224, 64, 32, 256, 16, 512, 8, 1];

/** Sizes that only a run can tell are counts of something found in the data: small ones. */
const FOUND = 16;

/** A value for each symbol: as `expected` says, 1 for leading (batch) dimensions if it may be, a usual size for others. */
export function representativeSizes(
  graph: Graph,
  inferred: Inferred,
  expected: Readonly<Record<string, number>> = {},
): Binding {
  const leading = new Set(graph.inputs.map((input) => input.shape[0]).filter((d) => d !== undefined));
  const fresh = new Set([...inferred.fresh.values()].flat());
  const shapes: (readonly Dim[])[] = [
    ...graph.inputs.map((input) => input.shape),
    ...[...inferred.values.values()].map((facts) => facts.shape),
  ];
  const symbols = new Set(shapes.flat().flatMap((d) => [...dim.symbols(d)]));
  for (const name of Object.keys(expected)) {
    if (!symbols.has(name))
      throw new EspalierError(
        'BAD_INPUT',
        `the model has no dimension "${name}"; it has: ${[...symbols].sort().join(', ') || 'none'}`,
      );
  }
  let failure: unknown;
  let possible: Binding | undefined;
  // Where no batch of one makes sense, leading dimensions are lengths.
  const attempts = [1, undefined].flatMap((batch) => guesses.map((guess) => [guess, batch ?? guess] as const));
  for (const [guess, first] of attempts) {
    const at = Object.fromEntries(
      [...symbols]
        .sort()
        .map((s) => [s, expected[s] ?? (leading.has(s) ? first : fresh.has(s) ? Math.min(guess, FOUND) : guess)]),
    );
    try {
      if (shapes.every((shape) => !bindShape(shape, at).includes(0))) return at;
      possible ??= at;
    } catch (error) {
      failure = error;
    }
  }
  if (possible) return possible;
  const said = JSON.stringify(expected);
  throw new EspalierError(
    'BAD_INPUT',
    `no usual size fits the model's dimensions ${[...symbols].join(', ')} (given ${said}): say what to expect with \`dims\``,
    { cause: failure },
  );
}
