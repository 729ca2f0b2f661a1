/**
 * `ESPALIER_DEBUG=1`: every command is named on standard error before it runs, on its own, so that the last line before a crash
 * says where; and emitted code is named for `perf`, in /tmp/perf-<pid>.map.
 */

import type { Step } from '@espalier/core';
import type { NativeProgram } from './program.ts';

type Fs = typeof import('node:fs');

const { process } = globalThis as { process?: NodeJS.Process };

export const debugging: boolean = process?.env['ESPALIER_DEBUG'] === '1';

/** Bytes of mapped code, by its address. */
const mapped = new Map<number, number>();

export function noteCode(address: number, bytes: number): void {
  if (debugging) mapped.set(address, bytes);
}

const fs = (): Fs => process!.getBuiltinModule('node:fs');
const nameOf = ({ call, kernel }: Step): string => `${call.node} (${call.op}) ${kernel}`;

/** Names the code of these steps for `perf`. Source: Linux, tools/perf/Documentation/jit-interface.txt */
export function writePerfMap(steps: readonly Step<NativeProgram>[]): void {
  if (!debugging) return;
  const lines = steps.flatMap((step) =>
    step.program.phases.map(({ code }, phase) => {
      const bytes = mapped.get(code) ?? 1;
      return `${code.toString(16)} ${bytes.toString(16)} ${nameOf(step).replaceAll(/\s+/g, '_')}_${phase}\n`;
    }),
  );
  fs().appendFileSync(`/tmp/perf-${process!.pid}.map`, lines.join(''));
}

export function traceCommand(step: Step<NativeProgram>, command: number, commands: number): void {
  fs().writeSync(2, `espalier: command ${command + 1} of ${commands}: ${nameOf(step)}\n`);
}
