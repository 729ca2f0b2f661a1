/** A backend for float16: a function of one element is a table of 65,536 results, looked up. */

import { createHostBackend, dim, fromFloat16, type HostBackend, type HostKernel, toFloat16 } from '@espalier/core';

const functions = { Sigmoid: (x: number) => 1 / (1 + Math.exp(-x)), Tanh: Math.tanh, Exp: Math.exp };

const tableOf = (f: (x: number) => number): Uint16Array =>
  Uint16Array.from({ length: 65_536 }, (_, bits) => toFloat16(f(fromFloat16(bits))));

/** `to[i] = table[from[i]]` */
function lookUp(table: Uint16Array, from: Uint16Array, to: Uint16Array, start: number, end: number): void {
  for (let i = start; i < end; i++) to[i] = table[from[i]];
}

function kernelOf(op: keyof typeof functions): HostKernel {
  let table: Uint16Array | undefined;
  return {
    name: `${op.toLowerCase()}_f16_table__js`,
    op,
    types: { T: ['float16'] },
    work(call, at) {
      const elements = dim.evaluate(dim.product(call.outputs[0]!.shape), at);
      return { macs: elements, bytes: 4 * elements, resident: 2 * 65_536 };
    },
    prepare() {
      table ??= tableOf(functions[op]);
      const known = table;
      return {
        resident: known.byteLength,
        start: ({ inputs: [x], outputs: [y] }) => {
          const [from, to] = [x!.data as Uint16Array, y!.data as Uint16Array];
          return [{ units: to.length, run: (start, end) => lookUp(known, from, to, start, end) }];
        },
      };
    },
  };
}

export const createTableBackend = (): HostBackend =>
  createHostBackend({
    id: 'tables',
    kernels: Object.keys(functions).map((op) => kernelOf(op as keyof typeof functions)),
    async calibrate() {
      const [table, from, to] = [tableOf(Math.sqrt), new Uint16Array(1 << 18), new Uint16Array(1 << 18)];
      const seconds = Array.from({ length: 20 }, () => {
        const started = performance.now();
        lookUp(table, from, to, 0, to.length);
        return (performance.now() - started) / 1000;
      });
      const fastest = Math.max(1e-7, Math.min(...seconds));
      return { macs: to.length / fastest, bytes: (4 * to.length) / fastest, call: 2e-6 };
    },
  });
