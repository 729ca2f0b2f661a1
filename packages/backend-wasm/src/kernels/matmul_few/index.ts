/**
 * Products of a few rows of float32 by weights of 8 bits or less, with one scale or one for each column: levels are widened where they are
 * multiplied, so that no more than they are is read from memory, and scales follow at the end.
 */

import {
  bindShape,
  type Call,
  type Constants,
  dtypes,
  type EpilogueStep,
  ESPALIER,
  elements,
  isRejection,
  type Rejection,
  sizeOf,
} from '@espalier/core';
import { geometry, partition, tensorBytes } from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmProgram } from '../../program.ts';
import { bySizes } from '../bysizes.ts';
import { epilogueSteps } from '../epilogue.ts';
import { emitProduct, type Product, threadBytes } from '../matmul/emit.ts';
import { type Epilogue, epilogueOf } from '../matmul/epilogue.ts';
import { productArgs } from '../matmul/layout.ts';
import { quantizedOf } from '../matmul/quantized.ts';
import { EFFICIENCY, TILE, WIDTH } from '../matmul/tile.ts';
import { levelsOf, packLevels } from '../matmul_int8/pack.ts';

const [A, WEIGHTS, SCALE, ZERO] = [0, 1, 2, 3];
/** What a tile costs beside its rows, in rows. */
const TILE_ROWS = 1.3;

/** The epilogue with the scales in front, or why the call cannot be served. */
function planOf(call: Call, constants: Constants): Epilogue | Rejection {
  const source = quantizedOf(call, constants);
  if (isRejection(source)) return source;
  if (source.group < source.k || (source.k === 1 && call.attrs['axis'] === 0))
    return { reason: 'its scales are not those of columns' };
  const { type } = constants[WEIGHTS]!.tensor;
  const zero = constants[ZERO]?.tensor;
  const middle = type === 'uint8' ? 128 : 0;
  const zeros = zero ? (elements(zero) as number[]) : [0];
  if (dtypes[type].bits === 8 && zeros.some((z) => z !== middle))
    return { reason: `its weights less their zero points may take more than 8 bits: zero points are not ${middle}` };
  const scale: EpilogueStep = { op: 'Mul', attrs: {}, inputs: [SCALE], position: 0 };
  return epilogueOf({ ...call, epilogue: [scale, ...call.epilogue] });
}

function row(isa: Isa): WasmKernel {
  const name = `dequantizematmul_f32i8_few_${TILE.rows}x${WIDTH}__${isa.name}`;
  return {
    name,
    op: 'DequantizeMatMul',
    domain: ESPALIER,
    requires: isa.requires,
    types: { T: ['float32'], W: ['int8', 'uint8', 'int4', 'uint4'] },
    fuses: epilogueSteps,
    work(call, at, constants) {
      const epilogue = planOf(call, constants);
      if (isRejection(epilogue)) return epilogue;
      const { dims, bytes } = constants[WEIGHTS]!.tensor;
      const [k, n] = dims as [number, number];
      const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / n;
      const resident = Math.ceil(n / WIDTH) * WIDTH * k;
      return {
        macs: rows * n * k,
        bytes: tensorBytes(call, at) - bytes.byteLength + resident,
        resident,
        tiled: (rows + TILE_ROWS * Math.ceil(rows / TILE.rows)) * resident,
      };
    },
    law: ({ tiled, bytes }, rates) =>
      rates['call']! +
      Math.max(tiled! / (EFFICIENCY[isa.name] * rates['fma']!), bytes / rates['bytes']!) / rates['threads']!,
    prepare: (call, constants, engine) => prepare(name, isa, call, constants, engine),
  };
}

async function prepare(
  name: string,
  isa: Isa,
  call: Call,
  constants: Constants,
  { memory, code }: Engine,
): Promise<WasmProgram> {
  const epilogue = planOf(call, constants) as Epilogue;
  const { tensor } = constants[WEIGHTS]!;
  const [k, n] = tensor.dims as [number, number];
  const levels = levelsOf(tensor, constants[ZERO]?.tensor, n);
  const product: Product = {
    ...TILE,
    ...epilogue,
    ...{ isRelaxed: isa.isRelaxed, of: 'f32i8', k, inRows: false, made: 0 },
  };
  const multiply = await code.load(name, product, emitProduct);
  const panels = await memory.pack(Math.ceil(n / WIDTH) * WIDTH * k, (to) => packLevels(levels, [k, n], WIDTH, 1, to));
  const others = epilogue.operands.map(({ input }) => input);
  const layout = bySizes(({ inputs, outputs, threads }) => {
    const given = others.map((input) => inputs[input]!.dims);
    const found = geometry(inputs[A]!.dims, tensor.dims, outputs[0]!.dims, given);
    return { found, cut: partition(found, TILE.rows, WIDTH, threads) };
  });
  return {
    resident: multiply.bytes + panels.bytes,
    packed: [WEIGHTS, ZERO].filter((i) => constants[i]),
    scratch: ({ threads }) => threads * threadBytes(product),
    phases: [
      {
        code: multiply,
        units: (bound) => layout(bound).cut.units,
        args(bound) {
          const { found, cut } = layout(bound);
          const starts = [bound.inputs[A]!.address, panels.address, bound.outputs[0]!.address];
          const addresses = [...starts, ...others.map((input) => bound.inputs[input]!.address)];
          return productArgs(product, found, cut, bound.scratch, addresses);
        },
      },
    ],
    dispose() {
      multiply.release();
      memory.free(panels);
    },
  };
}

export const matmulFew: readonly WasmKernel[] = /* @__PURE__ */ isas.map(row);
