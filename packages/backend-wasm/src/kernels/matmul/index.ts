/** Dense products of float32: with weights packed beforehand, and of two tensors that are both known only when running. */

import {
  type Binding,
  bindShape,
  type Call,
  type Constants,
  type Dim,
  isRejection,
  type Rejection,
  runGenerator,
  Slicer,
  sizeOf,
} from '@espalier/core';
import { geometry, partition } from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmBuffer } from '../../memory.ts';
import type { WasmCall, WasmProgram } from '../../program.ts';
import { epilogueSteps } from '../epilogue.ts';
import { emitProduct, type Product, tileBytes, words } from './emit.ts';
import { type Epilogue, epilogueOf } from './epilogue.ts';
import { packedBytes, packPanels } from './pack.ts';

/** The largest register tile: all that 15 registers hold beside an element of A and a row of the panel. */
const TILE = { rows: 6, vectors: 2 } as const;
const WIDTH = 4 * TILE.vectors;
/** Share of the calibrated multiply-adds that full tiles reach. */
const EFFICIENCY = 1;
/** What a tile costs beside its rows, in rows. */
const TILE_ROWS = 0.3;

/** Products whose second operand is stored in one way. */
interface Kind {
  readonly label: string;
  readonly isConstant: boolean;
  reject(constants: Constants): Rejection | undefined;
}

const dense: Kind = {
  label: 'f32_dense',
  isConstant: true,
  reject([, constant]) {
    if (!constant) return { reason: 'the second matrix is not constant' };
    const { dims, size } = constant.tensor;
    return sizeOf(dims.slice(-2)) === size ? undefined : { reason: 'the constant is more than one matrix' };
  },
};
const variable: Kind = { label: 'f32_variable', isConstant: false, reject: () => undefined };

function row(isa: Isa, kind: Kind): WasmKernel {
  const name = `matmul_${kind.label}_${TILE.rows}x${WIDTH}__${isa.name}`;
  return {
    name,
    op: 'MatMul',
    requires: isa.requires,
    types: { T: ['float32'] },
    fuses: epilogueSteps,
    work(call, at, constants) {
      const epilogue = epilogueOf(call);
      if (isRejection(epilogue)) return epilogue;
      const rejection = kind.reject(constants);
      if (rejection) return rejection;
      const [k, n] = weightShape(call, at);
      const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
      const tensors = [call.inputs[0], call.outputs[0], ...epilogue.operands.map((o) => call.inputs[o.input])];
      const weights = kind.isConstant ? packedBytes(k, n, WIDTH) : 4 * sizeOf(bindShape(call.inputs[1]!.shape, at));
      const tileRows = rows + TILE_ROWS * Math.ceil(rows / TILE.rows);
      return {
        macs: rows * n * k,
        bytes: weights + 4 * tensors.reduce((sum, desc) => sum + sizeOf(bindShape(desc!.shape, at)), 0),
        resident: kind.isConstant ? weights : 0,
        // What the tiles multiply, padding included.
        tiled: tileRows * Math.ceil(n / WIDTH) * WIDTH * k,
      };
    },
    law: ({ tiled, bytes }, rates) =>
      rates['call']! + Math.max(tiled! / (EFFICIENCY * rates['fma']!), bytes / rates['bytes']!) / rates['threads']!,
    prepare: (call, constants, engine) => prepare(name, isa, kind, call, constants, engine),
  };
}

function weightShape({ inputs }: Call, at: Binding): [k: number, n: number] {
  const dims = bindShape(inputs[1]!.shape, at);
  return dims.length > 1 ? [dims.at(-2)!, dims.at(-1)!] : [dims[0]!, 1];
}

async function prepare(
  name: string,
  isa: Isa,
  kind: Kind,
  call: Call,
  constants: Constants,
  engine: Engine,
): Promise<WasmProgram> {
  const epilogue = epilogueOf(call) as Epilogue;
  const product: Product = {
    ...TILE,
    ...epilogue,
    isRelaxed: isa.isRelaxed,
    k: knownDepth(call),
    inRows: !kind.isConstant,
  };
  const code = await engine.code.load(name, product, emitProduct);
  let panels: WasmBuffer | undefined;
  try {
    panels = kind.isConstant ? await pack(call, constants, engine) : undefined;
  } catch (error) {
    code.release();
    throw error;
  }
  return {
    resident: code.bytes + (panels?.bytes ?? 0),
    packed: panels ? [1] : [],
    phases: [
      {
        code,
        units: (bound) => layOut(kind, product, constants, bound).units,
        args: (bound) => layOut(kind, product, constants, bound).args(bound.scratch, panels?.address),
      },
    ],
    scratch: ({ threads }) => threads * threadBytes(product),
    dispose() {
      code.release();
      if (panels) engine.memory.free(panels);
    },
  };
}

/** Columns of A, where they are known. */
function knownDepth({ inputs: [a] }: Call): number | null {
  const last: Dim = a!.shape.at(-1)!;
  return typeof last === 'number' ? last : null;
}

const threadBytes = (product: Product): number => Math.ceil(tileBytes(product) / 64) * 64;

async function pack(call: Call, constants: Constants, { memory }: Engine): Promise<WasmBuffer> {
  const [k, n] = weightShape(call, {});
  const panels = memory.alloc(packedBytes(k, n, WIDTH));
  const floats = (): Float32Array => {
    const { buffer, byteOffset } = memory.view(panels);
    return new Float32Array(buffer, byteOffset, panels.bytes / 4);
  };
  await runGenerator(packPanels(constants[1]!.tensor.data as Float32Array, k, n, WIDTH, floats), new Slicer());
  return panels;
}

/** What follows from the sizes of a call. */
function layOut(
  kind: Kind,
  product: Product,
  constants: Constants,
  { inputs, outputs, threads }: Omit<WasmCall, 'scratch'>,
): { readonly units: number; args(scratch: number, panels: number | undefined): number[] } {
  const others = product.operands.map(({ input }) => inputs[input]!);
  const b = kind.isConstant ? constants[1]!.tensor.dims : inputs[1]!.dims;
  const found = geometry(
    inputs[0]!.dims,
    b,
    outputs[0]!.dims,
    others.map(({ dims }) => dims),
  );
  const { m, n, k, batch, rowSteps, offsets } = found;
  const cut = partition(found, product.rows, WIDTH, threads);
  return {
    units: cut.units,
    args(scratch, panels) {
      const values = {
        ...cut,
        ...{ scratch, k, batch, threadBytes: threadBytes(product), aRow: 4 * k, cRow: 4 * n },
        bRow: 4 * (kind.isConstant ? WIDTH : n),
        bPanel: 4 * WIDTH * (kind.isConstant ? k : 1),
      };
      const starts = [inputs[0]!.address, panels ?? inputs[1]!.address, outputs[0]!.address];
      const matrices = Array.from({ length: m * n > 0 ? batch : 0 }, (_, i) =>
        offsets(i).map((offset, at) => (starts[at] ?? others[at - 3]!.address) + 4 * offset),
      );
      return [...words.map((name) => values[name]), ...rowSteps.map((step) => 4 * step), ...matrices.flat()];
    },
  };
}

export const matmul: readonly WasmKernel[] = isas.flatMap((isa) => [dense, variable].map((kind) => row(isa, kind)));
