/** Which ops and dtypes a backend has kernels for: asked of the kernels, not only read from their rows. */

import { type AnyBackend, isRejection, type OpTable, onnxOps, opKey } from '@espalier/core';
import fc from 'fast-check';
import type { TypeBinding } from './cases/define.ts';
import { ask } from './execute.ts';
import { calls, instanceOf, type KernelUnderTest } from './subject.ts';
import { underTest } from './suite.ts';

/** One op with one choice of dtypes. */
export interface SupportRow {
  readonly op: string;
  readonly types: TypeBinding;
  /** Names of kernels that accept some call of it. */
  readonly kernels: readonly string[];
}

/** Plain JSON; as text a table in Markdown. */
export type SupportMatrix = readonly SupportRow[] & { toString(): string };

/** Calls that a kernel may refuse before it counts as not having the op with these dtypes. */
const TRIES = 25;

/** Rows for every op of `ops` for which `backend` has kernels. */
export function supportMatrix(backend: AnyBackend, ops: OpTable = onnxOps): SupportMatrix {
  const rows: SupportRow[] = [];
  for (const key of ops.keys()) {
    const found = new Map<string, { readonly types: TypeBinding; readonly kernels: string[] }>();
    for (const kernel of backend.kernels) {
      if (opKey(kernel.domain ?? '', kernel.op) !== key) continue;
      const under = underTest(backend, kernel, { ops });
      if (typeof under === 'string') continue;
      for (const types of under.types) {
        const label = JSON.stringify(types);
        const row = found.get(label) ?? { types, kernels: [] };
        found.set(label, row);
        if (accepts(under, types)) row.kernels.push(kernel.name);
      }
    }
    for (const { types, kernels } of found.values()) if (kernels.length > 0) rows.push({ op: key, types, kernels });
  }
  return Object.defineProperty(rows, 'toString', { value: () => markdown(rows) });
}

function accepts(under: KernelUnderTest, types: TypeBinding): boolean {
  const some = calls(under, { types: [types] });
  return (some ? fc.sample(some, { seed: 1, numRuns: TRIES }) : []).some((generated) => {
    const instance = instanceOf(under, generated);
    return !isRejection(instance) && !isRejection(ask(under.backend, under.kernel, instance, under.ops));
  });
}

/** A line for each kernel, with the dtypes of its op's first type variable. */
function markdown(rows: readonly SupportRow[]): string {
  const lines = new Map<string, { readonly op: string; readonly kernel: string; readonly dtypes: Set<string> }>();
  for (const { op, types, kernels } of rows) {
    for (const kernel of kernels) {
      const found = lines.get(kernel) ?? { op, kernel, dtypes: new Set() };
      lines.set(kernel, found);
      found.dtypes.add(Object.values(types)[0] ?? 'any');
    }
  }
  const texts = [...lines.values()].map(
    ({ op, kernel, dtypes }) => `| ${op} | ${kernel} | ${[...dtypes].join(', ')} |`,
  );
  return ['| op | kernel | dtypes |', '| --- | --- | --- |', ...texts].join('\n');
}
