/** Checks what a run is given, and finds the values of symbols in the sizes of its tensors. */

import {
  dim,
  EspalierError,
  formatShape,
  formatType,
  isRanked,
  isSequence,
  type Shape,
  type Tensor,
  type Value,
  type ValueInfo,
} from '@espalier/core';

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

/** What a run is given, by the names of inputs; an optional that is empty may be missing. */
export type Feeds = ReadonlyMap<string, Value | undefined>;

/**
 * Checks feeds against a graph's inputs and binds its symbols.
 * @throws EspalierError `BAD_INPUT` or `SHAPE_MISMATCH`, naming the input
 */
export function bindFeeds(inputs: readonly ValueInfo[], feeds: Feeds, at: Bindings): void {
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
      const value = feeds.get(input.name) ?? null;
      if (input.container) {
        if (pass === 'check') checkContainer(input, value);
        continue;
      }
      const tensor = tensorOf(input, value);
      unify(
        `the input "${input.name}"`,
        pass === 'bind' ? symbolsOnly(input.shape, tensor.dims) : input.shape,
        tensor.dims,
        at,
      );
    }
  }
}

/** The feed of an input that is a tensor. */
function tensorOf({ name, dtype, shape }: ValueInfo, value: Value): Tensor {
  const bad = (what: string): never => {
    throw new EspalierError('BAD_INPUT', `the input "${name}" is ${what}`);
  };
  if (value === null) return bad(`missing: give a ${dtype} tensor of ${formatShape(shape)}`);
  if (isSequence(value)) return bad(`an array; the model takes one ${dtype} tensor of ${formatShape(shape)}`);
  return value.type === dtype ? value : bad(`${value.type}; the model takes ${dtype}`);
}

function checkContainer(input: ValueInfo, value: Value): void {
  const { name, dtype, container } = input;
  const { kind, shape } = container!;
  const what = `the input "${name}"`;
  if (value === null && kind !== 'sequence') return;
  if (value === null || isSequence(value) === (kind === 'optional'))
    throw new EspalierError(
      'BAD_INPUT',
      `${what} is ${formatType(input)}: give ${kind === 'optional' ? 'a tensor' : 'an array of tensors'}${kind === 'sequence' ? '' : ', or null'}`,
    );
  const tensors = isSequence(value) ? value : [value];
  tensors.forEach((tensor: Tensor | undefined, i) => {
    if (tensor?.type !== dtype)
      throw new EspalierError(
        'BAD_INPUT',
        `${what} holds ${tensor?.type ?? 'no tensor'} at ${i}; the model takes ${dtype}`,
      );
    const fits =
      shape?.length === tensor.dims.length && shape.every((d, a) => typeof d !== 'number' || d === tensor.dims[a]);
    if (isRanked(shape) && !fits)
      throw new EspalierError(
        'SHAPE_MISMATCH',
        `${what} holds the shape [${tensor.dims}] at ${i}; expected ${formatShape(shape)}`,
      );
  });
}

/** The shape with what is not a plain symbol taken as given, to be checked later. */
function symbolsOnly(shape: Shape, dims: readonly number[]): Shape {
  if (shape.length !== dims.length) return shape;
  return shape.map((d, i) => (typeof d === 'string' && dim.isSymbol(d) ? d : dims[i]!));
}
