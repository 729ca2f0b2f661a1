/** Errors that say where in a file they happened. */

import { EspalierError, UnsupportedError } from '@espalier/core';

/** Longer names (they come from files) are cut in messages. */
export function quote(name: string): string {
  return `"${name.length > 120 ? `${name.slice(0, 117)}...` : name}"`;
}

/** The first few of many. */
export function quoteAll(names: readonly string[]): string {
  const more = names.length > 8 ? ` and ${names.length - 8} more` : '';
  return `${names.slice(0, 8).map(quote).join(', ')}${more}`;
}

/** Does `work`; an error of ours gets `place` before its message. */
export function within<T>(place: string, work: () => T, details: { node?: string; file?: string } = {}): T {
  try {
    return work();
  } catch (error) {
    throw placed(place, error, details);
  }
}

/** The error with `place` before its message, when it is ours; other errors, and those that name a node already, as they are. */
export function placed(place: string, error: unknown, details: { node?: string; file?: string } = {}): unknown {
  if (!(error instanceof EspalierError) || (details.node !== undefined && error.node !== undefined)) return error;
  const { message, node, file } = error;
  const merged = { ...(node === undefined ? {} : { node }), ...(file === undefined ? {} : { file }), ...details };
  const text = `${place}: ${message}`;
  if (error instanceof UnsupportedError) return new UnsupportedError(text, error.reasons, { ...merged, cause: error });
  return new EspalierError(error.code, text, { ...merged, cause: error });
}
