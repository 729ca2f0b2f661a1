/** Small kernels that are right, and wrong in one way each when asked for: what the suite must tell apart. */

import {
  type Binding,
  bindShape,
  broadcastStrides,
  type Call,
  createHostBackend,
  type DType,
  type EpilogueOp,
  type HostBackend,
  type HostCall,
  type HostKernel,
  type Phase,
  sizeOf,
  stridesOf,
  type Work,
} from '@espalier/core';

type Floats = Float32Array;

export function backendOf(...kernels: readonly HostKernel[]): HostBackend {
  return createHostBackend({ id: 'test', kernels, calibrate: async () => ({ macs: 1e9, bytes: 1e9, call: 1e-6 }) });
}

export function workOf(call: Call, at: Binding): Work {
  const bytes = [...call.inputs, ...call.outputs].reduce(
    (sum, desc) => sum + (desc ? 4 * sizeOf(bindShape(desc.shape, at)) : 0),
    0,
  );
  return { macs: bytes / 4, bytes, resident: 0 };
}

interface Row {
  readonly types?: Readonly<Record<string, readonly DType[]>>;
  readonly fuses?: readonly EpilogueOp[];
  readonly work?: HostKernel['work'];
}

/** A kernel for float32 from what it does for one call. */
export function kernel(
  op: string,
  start: (call: HostCall, prepared: Call) => readonly Phase[],
  { types = { T: ['float32'] }, fuses, work = workOf }: Row = {},
): HostKernel {
  return {
    name: `${op.toLowerCase()}_f32__test`,
    op,
    types,
    ...(fuses ? { fuses } : {}),
    work,
    prepare: (prepared) => ({ resident: 0, start: (call) => start(call, prepared) }),
  };
}

const floats = (call: HostCall, i: number): Floats => call.inputs[i]!.data as Floats;
const result = (call: HostCall): Floats => call.outputs[0]!.data as Floats;

export type ReluFault =
  | 'writes past its output'
  | 'writes its input'
  | 'keeps state across units'
  | 'overlapping units'
  | 'remembers its first size';

export function relu(fault?: ReluFault): HostKernel {
  let size: number | undefined;
  return kernel('Relu', (call) => {
    const x = floats(call, 0);
    let y = result(call);
    if (fault === 'writes past its output') y = new Float32Array(y.buffer, y.byteOffset, y.length + 1);
    if (fault === 'remembers its first size') size ??= y.length;
    let next = 0;
    const run = (from: number, to: number): void => {
      for (let i = from; i < to; i++) {
        y[i] = Math.max(0, x[fault === 'keeps state across units' ? next++ : i]!);
        if (fault === 'writes its input') x[i] = y[i]!;
        if (fault === 'overlapping units' && i + 1 < y.length) y[i + 1] = 0;
      }
      if (fault === 'writes past its output' && to === x.length) y[to] = 0;
    };
    return [{ units: size ?? x.length, run }];
  });
}

/** In two phases over memory in between; the fault is that all calls share it. */
export function negTwice(fault?: 'shares its scratch memory'): HostKernel {
  const shared = new Float32Array(1 << 20);
  return kernel(
    'Identity',
    (call) => {
      const [x, y] = [floats(call, 0), result(call)];
      const scratch = fault ? shared : new Float32Array(x.length);
      const step = (from: Floats, to: Floats): Phase => ({
        units: x.length,
        run: (a, b) => {
          for (let i = a; i < b; i++) to[i] = -from[i]!;
        },
      });
      return [step(x, scratch), step(scratch, y)];
    },
    { types: { V: ['float32'] } },
  );
}

/** The running sum along all of a vector, its units in order. */
export function cumSum(fault?: 'does not say that it is sequential'): HostKernel {
  return kernel(
    'CumSum',
    (call) => {
      const [x, y] = [floats(call, 0), result(call)];
      const axis = call.inputs[1]!.data[0];
      const { dims } = call.inputs[0]!;
      const at = (Number(axis) + dims.length) % dims.length;
      const step = stridesOf(dims)[at]!;
      const before = (i: number): boolean => Math.floor(i / step) % dims[at]! > 0;
      const run = (from: number, to: number): void => {
        for (let i = from; i < to; i++) y[i] = (before(i) ? y[i - step]! : 0) + x[i]!;
      };
      return [{ units: x.length, run, ...(fault ? {} : { sequential: true }) }];
    },
    {
      types: { T: ['float32'] },
      work: (call, at) =>
        call.attrs['exclusive'] || call.attrs['reverse'] ? { reason: 'only plain sums' } : workOf(call, at),
    },
  );
}

export type AddFault = 'ignores strides of broadcasting' | 'drops NaN' | 'wrong for rank 5';

export function add(fault?: AddFault): HostKernel {
  return kernel('Add', (call) => {
    const y = result(call);
    const { dims } = call.outputs[0]!;
    const walks = [0, 1].map((i) => ({
      data: floats(call, i),
      strides:
        fault === 'ignores strides of broadcasting' ? stridesOf(dims) : broadcastStrides(call.inputs[i]!.dims, dims),
    }));
    const own = stridesOf(dims);
    const run = (from: number, to: number): void => {
      for (let i = from; i < to; i++) {
        const [a, b] = walks.map(({ data, strides }) => {
          const offset = dims.reduce(
            (sum, extent, axis) => sum + (Math.floor(i / own[axis]!) % extent) * strides[axis]!,
            0,
          );
          return data[offset % Math.max(1, data.length)]!;
        });
        y[i] = a! + b!;
        if (fault === 'drops NaN' && Number.isNaN(y[i]!)) y[i] = 0;
        if (fault === 'wrong for rank 5' && dims.length === 5) y[i] = 0;
      }
    };
    return [{ units: y.length, run }];
  });
}

export type MatMulFault =
  | 'wrong at the edge of a tile'
  | 'leaves out the last of K'
  | 'nothing for a symbol of 0'
  | 'packs too little of sparse weights'
  | 'does the epilogue in another order'
  | 'work falls'
  | 'work is not a number'
  | 'rejects without a reason'
  | 'rejects everything'
  | 'rejects every epilogue'
  | 'throws';

/** Matrices of two axes with Add of a vector and Relu as epilogues. */
export function matmul(fault?: MatMulFault): HostKernel {
  const work: HostKernel['work'] = (call, at) => {
    const [a, b] = call.inputs.map((desc) => desc!.shape);
    if (fault === 'rejects everything') return { reason: 'is tired' };
    if (fault === 'rejects without a reason') return { reason: '' };
    if (fault === 'rejects every epilogue' && call.epilogue.length > 0) return { reason: 'not today' };
    if (a!.length !== 2 || b!.length !== 2) return { reason: 'multiplies only matrices' };
    const ranks = call.epilogue.flatMap(({ inputs }) => inputs.map((i) => call.inputs[i]!.shape.length));
    if (ranks.some((rank) => rank > 1)) return { reason: 'adds only vectors' };
    const plain = workOf(call, at);
    if (fault === 'work falls') return { ...plain, macs: 1e6 / (1 + plain.macs) };
    return fault === 'work is not a number' ? { ...plain, lines: Number.NaN } : plain;
  };
  return {
    ...kernel('MatMul', () => [], { fuses: ['Add', 'Relu'], work }),
    prepare: (prepared, constants) => {
      const nonzeros = constants[1]?.structure.nonzeros ?? Number.POSITIVE_INFINITY;
      const isSparse = nonzeros < (constants[1]?.structure.elements ?? 0) / 2;
      const weights = constants[1] && (constants[1].tensor.data as Floats).slice();
      if (fault === 'packs too little of sparse weights' && weights && isSparse)
        weights[weights.findLastIndex((x) => x !== 0)] = 0;
      const steps =
        fault === 'does the epilogue in another order' ? [...prepared.epilogue].reverse() : prepared.epilogue;
      return {
        resident: weights?.byteLength ?? 0,
        ...(weights ? { packed: [1] } : {}),
        start: (call) => {
          if (fault === 'throws') throw new RangeError('index out of bounds');
          const a = floats(call, 0);
          const b = weights ?? floats(call, 1);
          const [m, n] = call.outputs[0]!.dims;
          const k = call.inputs[0]!.dims[1]!;
          if (fault === 'nothing for a symbol of 0' && k === 0 && typeof prepared.inputs[0]!.shape[1] === 'string')
            return [];
          const last = fault === 'leaves out the last of K' ? k - 1 : k;
          const run = (from: number, to: number): void => {
            for (let i = from; i < to; i++) {
              for (let j = 0; j < n!; j++) {
                let sum = 0;
                for (let l = 0; l < last; l++) sum += a[i * k + l]! * b[l * n! + j]!;
                if (fault === 'wrong at the edge of a tile' && n! > 8 && n! % 8 === 1 && j === n! - 1) sum = 0;
                for (const step of steps) {
                  if (step.op === 'Relu') sum = Math.max(0, sum);
                  else {
                    const operand = floats(call, step.inputs[0]!);
                    sum += operand[j % operand.length]!;
                  }
                }
                result(call)[i * n! + j] = sum;
              }
            }
          };
          return [{ units: m!, run }];
        },
      };
    },
  };
}
