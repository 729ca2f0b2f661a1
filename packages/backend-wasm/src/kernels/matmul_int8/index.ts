/** Products of bytes with exact sums, by weights packed beforehand: MatMulInteger, and QuantizedMatMul with whatever follows it. */

import { bindShape, type Call, type Constants, isRejection, type Rejection, sizeOf, type Work } from '@espalier/core';
import { geometry, partition, tensorBytes } from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmProgram } from '../../program.ts';
import { bySizes } from '../bysizes.ts';
import { epilogueSteps } from '../epilogue.ts';
import { emitProduct, type Product, threadBytes } from '../matmul/emit.ts';
import type { Epilogue } from '../matmul/epilogue.ts';
import { productArgs } from '../matmul/layout.ts';
import { TILE, vectorBytes, WIDTH } from '../matmul/tile.ts';
import { matrixShape, type Op, ops, planOf } from './ops.ts';
import { levelsOf, packLevels } from './pack.ts';
import { LAID_OUT, layRows } from './rows.ts';

/** What multiplying two pairs takes, in multiply-adds of float32. */
const PAIR = { relaxed: 1.2, simd: 0.93 } as const;
/** What a tile costs beside its rows, in rows. */
const TILE_ROWS = 0.3;

function kernel(isa: Isa, op: Op): WasmKernel {
  const name = `${op.op.toLowerCase()}_i8_dense_${TILE.rows}x${WIDTH}__${isa.name}`;
  return {
    name,
    op: op.op,
    ...(op.domain ? { domain: op.domain } : {}),
    requires: isa.requires,
    types: op.types!,
    ...(op.scales.length > 0 ? { fuses: epilogueSteps } : {}),
    work(call, at, constants): Work | Rejection {
      const epilogue = planOf(op, call, constants);
      if (isRejection(epilogue)) return epilogue;
      const [k, n] = matrixShape(call.inputs[op.b]!, at);
      const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
      const resident = Math.ceil(n / WIDTH) * WIDTH * 2 * Math.ceil(k / 2);
      return {
        macs: rows * n * k,
        bytes: tensorBytes(call, at),
        resident,
        // Pairs that tiles multiply, and elements that are laid out.
        pairs: (rows + TILE_ROWS * Math.ceil(rows / TILE.rows)) * Math.ceil(n / WIDTH) * WIDTH * Math.ceil(k / 2),
        laidOut: rows * k,
      };
    },
    law: ({ pairs, laidOut, bytes }, rates) =>
      2 * rates['call']! +
      Math.max((pairs! * PAIR[isa.name] + laidOut! * LAID_OUT) / rates['fma']!, bytes / rates['bytes']!) /
        rates['threads']!,
    prepare: (call, constants, engine) => prepare(name, isa, op, call, constants, engine),
  };
}

async function prepare(
  name: string,
  isa: Isa,
  op: Op,
  call: Call,
  constants: Constants,
  engine: Engine,
): Promise<WasmProgram> {
  const { memory, code } = engine;
  const epilogue = planOf(op, call, constants) as Epilogue;
  const { tensor } = constants[op.b]!;
  const [k, n] = matrixShape(call.inputs[op.b]!, {});
  const levels = levelsOf(tensor, constants[op.bZero]?.tensor, n);
  const depth = Math.ceil(k / 2);
  const product: Product = {
    ...TILE,
    ...epilogue,
    ...{ isRelaxed: isa.isRelaxed, of: levels.of, k: depth, inRows: false, made: 0 },
  };
  const lay = await layRows(op, call, k, engine);
  const multiply = await code.load(name, product, emitProduct);
  const panels = await memory.pack(Math.ceil(n / WIDTH) * TILE.vectors * vectorBytes(product) * depth, (to) =>
    packLevels(levels, [k, n], WIDTH, 2, to),
  );
  const others = epilogue.operands.map(({ input }) => input);
  const layout = bySizes(({ inputs, outputs, threads }) => {
    const a = inputs[op.a]!.dims;
    const given = others.map((input) => inputs[input]!.dims);
    const found = geometry(a, tensor.dims, outputs[0]!.dims, given);
    // Rows of pairs, wherever rows of bytes were.
    const offsets = (i: number): number[] => {
      const [first, ...rest] = found.offsets(i) as [number, ...number[]];
      return [k > 0 ? (first / k) * depth : 0, ...rest];
    };
    const pairs = { ...found, k: depth, offsets };
    return { pairs, cut: partition(pairs, TILE.rows, WIDTH, threads) };
  });
  return {
    resident: lay.phase.code.bytes + multiply.bytes + panels.bytes,
    packed: [op.b, op.bZero].filter((i) => constants[i]),
    scratch: (bound) => lay.bytes(bound) + bound.threads * threadBytes(product),
    phases: [
      lay.phase,
      {
        code: multiply,
        units: (bound) => layout(bound).cut.units,
        args(bound) {
          const { pairs, cut } = layout(bound);
          const starts = [bound.scratch, panels.address, bound.outputs[0]!.address];
          const addresses = [...starts, ...others.map((input) => bound.inputs[input]!.address)];
          return productArgs(product, pairs, cut, bound.scratch + lay.bytes(bound), addresses);
        },
      },
    ],
    dispose() {
      lay.phase.code.release();
      multiply.release();
      memory.free(panels);
    },
  };
}

export const matmulInt8: readonly WasmKernel[] = /* @__PURE__ */ isas.flatMap((isa) =>
  ops.map((op) => kernel(isa, op)),
);
