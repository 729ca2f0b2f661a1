/** Values of symbols, from the sizes of the tensors that a run is given. */

import { dim, EspalierError, formatShape, type Shape, type Tensor, type ValueInfo } from '@espalier/core';

/** Symbols that have a value so far. */
export type Bindings = Record<string, number>;

/**
 * Gives symbols in `shape` the values that `dims` show, and checks the rest.
 * @throws EspalierError `SHAPE_MISMATCH`
 */
export function unify(what: string, shape: Shape, dims: readonly number[], at: Bindings): void {
  const mismatch = (): never => {
    const bound = shape.map((d) => (typeof d === 'string' && at[d] !== undefined ? `${d}=${at[d]}` : d));
    throw new EspalierError('SHAPE_MISMATCH', `${what} has the shape [${dims}]; expected ${formatShape(bound)}`);
  };
  if (shape.length !== dims.length) mismatch();
  const later: number[] = [];
  shape.forEach((d, i) => {
    if (typeof d === 'number') {
      if (d !== dims[i]) mismatch();
    } else if (dim.isSymbol(d)) {
      at[d] ??= dims[i]!;
      if (at[d] !== dims[i]) mismatch();
    } else later.push(i);
  });
  // Expressions are checked where their symbols are known; those that are not stay open.
  for (const i of later) {
    const d = shape[i]!;
    if (dim.symbols(d).every((s) => at[s] !== undefined) && dim.evaluate(d, at) !== dims[i]) mismatch();
  }
}

/**
 * Checks feeds against a graph's inputs and binds its symbols.
 * @throws EspalierError `BAD_INPUT` or `SHAPE_MISMATCH`, naming the input
 */
export function bindFeeds(inputs: readonly ValueInfo[], feeds: ReadonlyMap<string, Tensor>, at: Bindings): void {
  const names = inputs.map((input) => input.name);
  for (const name of feeds.keys()) {
    if (!names.includes(name))
      throw new EspalierError(
        'BAD_INPUT',
        `the model has no input "${name}"; its inputs are: ${names.join(', ') || 'none'}`,
      );
  }
  // Plain symbols first over all inputs, so that expressions find them whatever the order.
  for (const pass of ['bind', 'check']) {
    for (const input of inputs) {
      const tensor = feeds.get(input.name);
      if (!tensor)
        throw new EspalierError(
          'BAD_INPUT',
          `the input "${input.name}" is missing: give a ${input.dtype} tensor of ${formatShape(input.shape)}`,
        );
      if (tensor.type !== input.dtype)
        throw new EspalierError(
          'BAD_INPUT',
          `the input "${input.name}" is ${tensor.type}; the model takes ${input.dtype}`,
        );
      unify(
        `the input "${input.name}"`,
        pass === 'bind' ? symbolsOnly(input.shape, tensor.dims) : input.shape,
        tensor.dims,
        at,
      );
    }
  }
}

/** The shape with what is not a plain symbol taken as given, to be checked later. */
function symbolsOnly(shape: Shape, dims: readonly number[]): Shape {
  if (shape.length !== dims.length) return shape;
  return shape.map((d, i) => (typeof d === 'string' && dim.isSymbol(d) ? d : dims[i]!));
}
