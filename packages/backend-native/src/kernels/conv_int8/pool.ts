/** The largest of bytes in windows over pixels, channels last: an axis behind the window's is one of channels. */

import { type Binding, bindShape, type Call, isRejection, type Rejection, sizeOf, type Work } from '@espalier/core';
import { type Convolution, poolOf, tensorBytes, windowsOf } from '@espalier/lowering';
import { Assembler, at, eax, r9, r10, r12, r14, rax, rbp, rbx, rcx, rdi, rdx, rsi } from '@espalier/x64';
import { sharedCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeCall, NativeProgram } from '../../program.ts';
import { avx2, avx512 } from '../matmul/isa.ts';
import { avx512vnni, type DotIsa, register, vnni256 } from '../matmul_int8/isa.ts';
import { emitPatches, type Patches, patchLocals, patchWords, patchWordsOf, rowElements } from './patches.ts';
import { from, Pieces, to } from './pieces.ts';

/** Larger windows are rare, and their code is long. */
const MOST_TAPS = 64;
/** Vectors only: which dot products there are does not matter. */
const isas: readonly DotIsa[] = [
  { ...avx512vnni, name: avx512.name, requires: avx512.requires },
  { ...vnni256(true), name: avx2.name, requires: avx2.requires },
];

const argumentWords = ['scratch', 'threadBytes', 'rows', 'rowsPerUnit', 'y', 'aRow', ...patchWords] as const;
const locals = ['first', ...patchLocals] as const;
const LOCAL_BYTES = 64;

/** Three axes of which the last is one of channels, as three of pixels. */
const ofPixels = ([first, second]: readonly number[]): number[] => [1, first!, second!];

interface Plan {
  readonly conv: Convolution;
  readonly patches: Patches;
}

function planOf(call: Call): Plan | Rejection {
  const found = poolOf(call);
  if (isRejection(found)) return found;
  const { kernel, strides, dilations, attrs, taps } = found;
  const channels = call.inputs[0]!.shape.at(-1)!;
  const pads = (attrs['pads'] as readonly number[] | undefined) ?? [];
  const rank = call.inputs[0]!.shape.length - 2;
  const isBeside = rank > 1 && kernel[2] === 1 && strides[2] === 1 && !pads[rank - 1] && !pads[2 * rank - 1];
  if (!isBeside || typeof channels !== 'number') return { reason: 'its last axis is not one of known size, as it is' };
  if (taps > MOST_TAPS) return { reason: `its window has ${taps} taps, more than ${MOST_TAPS}` };
  const axes = { kernel: ofPixels(kernel), strides: ofPixels(strides), dilations: ofPixels(dilations) };
  return { conv: found, patches: { channels, pixel: channels, ...axes } };
}

/** What a byte of a patch takes, and a row of the window for each pixel, in multiply-adds of float32. */
const TAP = 0.6;
const LINE = 130;

function kernel(isa: DotIsa): NativeKernel {
  return {
    name: `maxpool_i8_channels_${16 * (isa.floats === avx512 ? 4 : 2)}__${isa.name}`,
    op: 'MaxPool',
    requires: isa.requires,
    types: { T: ['uint8', 'int8'] },
    work(call: Call, at: Binding): Work | Rejection {
      const plan = planOf(call);
      if (isRejection(plan)) return plan;
      const elements = sizeOf(bindShape(call.outputs[0]!.shape, at));
      const { kernel, channels } = plan.patches;
      const lines = (elements / Math.max(1, channels)) * kernel[0]! * kernel[1]!;
      return {
        macs: elements * plan.conv.taps * TAP + lines * LINE,
        bytes: tensorBytes(call, at),
        resident: 0,
      };
    },
    law: ({ macs, bytes }, rates) =>
      rates['call']! + (macs / rates['fma']! + bytes / (2 * rates['bytes']!)) / rates['threads']!,
    prepare: async (call, _constants, engine) => prepare(isa, call, engine),
  };
}

/** Bytes of patches that stay in the first-level cache. */
const NEAR = 24 << 10;
const align = (bytes: number): number => Math.ceil(bytes / 64) * 64;

function prepare(isa: DotIsa, call: Call, engine: Engine): NativeProgram {
  const { conv, patches } = planOf(call) as Plan;
  const isSigned = call.inputs[0]!.dtype === 'int8';
  const code = sharedCode(engine.addon, emitPool, isa, patches, isSigned);
  const aRow = align(rowElements(patches));
  const layout = ({ inputs, outputs, threads }: Pick<NativeCall, 'inputs' | 'outputs' | 'threads'>) => {
    const [x, y] = [inputs[0]!.dims, outputs[0]!.dims];
    const { input, output, begin } = windowsOf({ ...conv, groups: x[1]! }, x, y);
    const rows = sizeOf(y.slice(0, -1)) * Math.min(1, patches.channels);
    const rowsPerUnit = Math.max(1, Math.min(Math.floor(NEAR / aRow), Math.ceil(rows / (2 * threads))));
    const sizes = { input: ofPixels(input), output: ofPixels(output), begin: [0, begin[0]!, begin[1]!] };
    const patchRows = LOCAL_BYTES;
    return {
      units: Math.ceil(rows / rowsPerUnit),
      threadBytes: patchRows + rowsPerUnit * aRow + 64,
      words: { rows, rowsPerUnit, patchRows, ...patchWordsOf(patches, sizes) },
    };
  };
  return {
    resident: code.bytes,
    phases: [
      {
        code: code.addresses[0]!,
        units: (bound) => layout(bound).units,
        args(bound) {
          const { threadBytes, words } = layout(bound);
          const { scratch, inputs, outputs } = bound;
          const addresses = { scratch, x: inputs[0]!.address, y: outputs[0]!.address };
          const all: Record<string, number> = { threadBytes, aRow, patchTerms: 0, ...words, ...addresses };
          return argumentWords.map((name) => all[name]!);
        },
      },
    ],
    scratch: (bound) => bound.threads * layout(bound).threadBytes,
    dispose: () => code.dispose(),
  };
}

/** Entry: args in rdi, unit in rsi, thread in rdx. */
function emitPool(isa: DotIsa, patches: Patches, isSigned: boolean): Uint8Array {
  const a = new Assembler();
  const [args, thread] = [at(rdi), at(rbx)];
  const argument = (name: (typeof argumentWords)[number]): number => 8 * argumentWords.indexOf(name);
  const local = (name: (typeof locals)[number]): number => 8 * locals.indexOf(name);
  const { channels } = patches;
  a.imul(rdx, args, argument('threadBytes'));
  a.mov(rbx, rdx);
  a.add(rbx, args, argument('scratch'));
  a.mov(rcx, args, argument('rowsPerUnit'));
  a.mov(r14, rsi);
  a.imul(r14, rcx);
  a.mov(thread, local('first'), r14);
  const count = (): void => {
    a.mov(r12, args, argument('rows'));
    a.sub(r12, thread, local('first'));
    a.mov(rcx, args, argument('rowsPerUnit'));
    a.cmp(r12, rcx);
    a.cmova(r12, rcx);
  };
  count();
  a.mov(to, args, argument('patchRows'));
  a.add(to, rbx);
  a.xor(rbp, rbp);
  a.movi(eax, isSigned ? 0x80 : 0);
  emitPatches(a, isa, patches, { signed: false, hasTerms: false }, { argument, local });
  count();
  const [row, y, offset] = [r9, r10, rax];
  a.mov(row, args, argument('patchRows'));
  a.add(row, rbx);
  a.imuli(y, thread, local('first'), channels);
  a.add(y, args, argument('y'));
  const width = isa.floats === avx512 ? 64 : 32;
  const largest = register(isa, 0);
  const taps = rowElements(patches) / channels;
  const max = isSigned ? ('vpmaxsb' as const) : ('vpmaxub' as const);
  const chunk = (indexed: boolean, begin: number): void => {
    const source = indexed ? at(row, offset) : at(row);
    a.vmovups(largest, source, begin);
    for (let tap = 1; tap < taps; tap++) {
      a.vmovups(register(isa, 1), source, begin + tap * channels);
      a[max](largest, largest, register(isa, 1));
    }
  };
  const pieces = new Pieces(a, isa, false);
  const nextRow = a.here();
  if (channels < width) {
    chunk(false, 0);
    a.vmovups(at(row), 0, largest);
    a.mov(from, row);
    a.mov(to, y);
    pieces.copy(channels);
  } else {
    const whole = channels - (channels % width);
    a.xor(offset, offset);
    const loop = a.here();
    chunk(true, 0);
    a.vmovups(at(y, offset), 0, largest);
    a.addi(offset, width);
    a.cmpi(offset, whole);
    a.jb(loop);
    if (whole < channels) {
      chunk(false, channels - width);
      a.vmovups(at(y), channels - width, largest);
    }
  }
  a.add(row, args, argument('aRow'));
  a.addi(y, channels);
  a.dec(r12);
  a.jnz(nextRow);
  a.ret();
  return a.finish().slice();
}

export const poolInt8: readonly NativeKernel[] = isas.map(kernel);
