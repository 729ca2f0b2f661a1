/**
 * Dense products of float32: with weights packed beforehand, in float32 or in 8 bits, and of two tensors that are both known only when
 * running.
 */

import {
  type Binding,
  bindShape,
  type Call,
  type Constants,
  type Dim,
  ESPALIER,
  isRejection,
  type Rejection,
  sizeOf,
} from '@espalier/core';
import { geometry, partition } from '@espalier/lowering';
import type { Engine } from '../../engine.ts';
import { type Isa, isas, type WasmKernel } from '../../kernel.ts';
import type { WasmBuffer } from '../../memory.ts';
import type { WasmCall, WasmProgram } from '../../program.ts';
import { epilogueSteps } from '../epilogue.ts';
import { emitProduct, type Product, threadBytes } from './emit.ts';
import { type Epilogue, epilogueOf } from './epilogue.ts';
import { productArgs } from './layout.ts';
import { packedBytes, packPanels } from './pack.ts';
import { emitWiden, packQuantized, panelBytes, type Quantized, quantizedOf } from './quantized.ts';
import { EFFICIENCY, TILE, WIDTH } from './tile.ts';

/** What a tile costs beside its rows, in rows. */
const TILE_ROWS = 0.3;

/** What widening a panel costs, in rows of a product, once for so many rows. */
const WIDENING = { rows: 3, once: 96 };

/** Products whose second operand is stored in one way. */
interface Kind extends Pick<WasmKernel, 'op' | 'domain' | 'types'> {
  readonly label: string;
  /** Inputs that are packed. */
  readonly packed: readonly number[];
  /** How weights of 8 bits are packed, null where they are not, or why it cannot be. */
  source(call: Call, constants: Constants): Quantized | null | Rejection;
}

const float32 = { op: 'MatMul', types: { T: ['float32'] } } as const;
const dense: Kind = {
  ...float32,
  label: 'f32_dense',
  packed: [1],
  source(_, [, constant]) {
    if (!constant) return { reason: 'the second matrix is not constant' };
    const { dims, size } = constant.tensor;
    return sizeOf(dims.slice(-2)) === size ? null : { reason: 'the constant is more than one matrix' };
  },
};
const variable: Kind = { ...float32, label: 'f32_variable', packed: [], source: () => null };
const quantized: Kind = {
  op: 'DequantizeMatMul',
  domain: ESPALIER,
  types: { T: ['float32'], W: ['int8', 'uint8'] },
  label: 'f32i8_dense',
  packed: [1, 2, 3],
  source: quantizedOf,
};

/** Bytes of the packed weights. */
const weightBytes = (source: Quantized | null, k: number, n: number): number =>
  source ? Math.ceil(n / WIDTH) * panelBytes(source, WIDTH) : packedBytes(k, n, WIDTH);

function row(isa: Isa, kind: Kind): WasmKernel {
  const name = `matmul_${kind.label}_${TILE.rows}x${WIDTH}__${isa.name}`;
  return {
    name,
    op: kind.op,
    ...(kind.domain ? { domain: kind.domain } : {}),
    requires: isa.requires,
    types: kind.types!,
    fuses: epilogueSteps,
    work(call, at, constants) {
      const epilogue = epilogueOf(call);
      if (isRejection(epilogue)) return epilogue;
      const source = kind.source(call, constants);
      if (source && 'reason' in source) return source;
      const [k, n] = weightShape(call, at);
      const rows = sizeOf(bindShape(call.outputs[0]!.shape, at)) / Math.max(1, n);
      const tensors = [call.inputs[0], call.outputs[0], ...epilogue.operands.map((o) => call.inputs[o.input])];
      const isPacked = kind.packed.length > 0;
      const weights = isPacked ? weightBytes(source, k, n) : 4 * sizeOf(bindShape(call.inputs[1]!.shape, at));
      const widening = source ? WIDENING.rows * Math.ceil(rows / WIDENING.once) : 0;
      const tileRows = rows + TILE_ROWS * Math.ceil(rows / TILE.rows) + widening;
      return {
        macs: rows * n * k,
        bytes: weights + 4 * tensors.reduce((sum, desc) => sum + sizeOf(bindShape(desc!.shape, at)), 0),
        resident: isPacked ? weights : 0,
        // What the tiles multiply, padding included.
        tiled: tileRows * Math.ceil(n / WIDTH) * WIDTH * k,
      };
    },
    law: ({ tiled, bytes }, rates) =>
      rates['call']! +
      Math.max(tiled! / (EFFICIENCY[isa.name] * rates['fma']!), bytes / rates['bytes']!) / rates['threads']!,
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
  const source = kind.source(call, constants) as Quantized | null;
  const product: Product = {
    ...TILE,
    ...epilogue,
    isRelaxed: isa.isRelaxed,
    of: 'f32',
    k: knownDepth(call),
    inRows: kind.packed.length === 0,
    made: source?.k ?? 0,
  };
  const code = await engine.code.load(name, { ...product, source }, (module) =>
    emitProduct(module, product, source ? emitWiden(module, source) : undefined),
  );
  let panels: WasmBuffer | undefined;
  try {
    panels = product.inRows ? undefined : await pack(source, call, constants, engine);
  } catch (error) {
    code.release();
    throw error;
  }
  return {
    resident: code.bytes + (panels?.bytes ?? 0),
    packed: kind.packed.filter((i) => constants[i]),
    phases: [
      {
        code,
        units: (bound) => layOut(product, constants, bound).units,
        args: (bound) => layOut(product, constants, bound).args(bound.scratch, panels?.address),
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

function pack(source: Quantized | null, call: Call, constants: Constants, { memory }: Engine): Promise<WasmBuffer> {
  const [k, n] = weightShape(call, {});
  return memory.pack(weightBytes(source, k, n), (to) =>
    source
      ? packQuantized(source, call, constants, WIDTH, to)
      : packPanels(constants[1]!.tensor.data as Float32Array, k, n, WIDTH, to),
  );
}

/** What follows from the sizes of a call. */
function layOut(
  product: Product,
  constants: Constants,
  { inputs, outputs, threads }: Omit<WasmCall, 'scratch'>,
): { readonly units: number; args(scratch: number, panels: number | undefined): number[] } {
  const others = product.operands.map(({ input }) => inputs[input]!);
  const b = product.inRows ? inputs[1]!.dims : constants[1]!.tensor.dims;
  const found = geometry(
    inputs[0]!.dims,
    b,
    outputs[0]!.dims,
    others.map(({ dims }) => dims),
  );
  const cut = partition(found, product.rows, WIDTH, threads);
  return {
    units: cut.units,
    args(scratch, panels) {
      const starts = [inputs[0]!.address, panels ?? inputs[1]!.address, outputs[0]!.address];
      const addresses = [...starts, ...others.map(({ address }) => address)];
      return productArgs(product, found, cut, scratch, addresses);
    },
  };
}

/** The product with packed float32 weights, for kernels that are made of one. */
export const denseProduct = (isa: Isa): WasmKernel => row(isa, dense);

export const matmul: readonly WasmKernel[] = /* @__PURE__ */ isas.flatMap((isa) =>
  [dense, variable, quantized].map((kind) => row(isa, kind)),
);
