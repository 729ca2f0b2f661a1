/** What follows from sizes is worked out once: lists ask often, and sizes change seldom. */

import type { WasmCall } from '../program.ts';

/** A call whose sizes are known. */
export type Sized = Pick<WasmCall, 'inputs' | 'outputs' | 'threads'>;

/** The function, which remembers what it made of the sizes that it was asked for last. */
export function bySizes<T>(make: (call: Sized) => T): (call: Sized) => T {
  let last: { readonly key: string; readonly made: T } | undefined;
  return (call) => {
    const key = `${call.threads};${[...call.inputs, ...call.outputs].map((operand) => operand?.dims.join() ?? '').join(';')}`;
    if (last?.key !== key) last = { key, made: make(call) };
    return last.made;
  };
}
