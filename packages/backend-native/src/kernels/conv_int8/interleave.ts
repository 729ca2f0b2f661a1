/** Pictures of a few planes of bytes, as decoders give them, with the channels of a pixel side by side. */

import { type Binding, bindShape, type Call, type Rejection, sizeOf, type Work } from '@espalier/core';
import { tensorBytes } from '@espalier/lowering';
import { Assembler, al, at, byte, edx, qword, r8, r9, r10, r11, rax, rcx, rdi, rdx, rsi, xmm } from '@espalier/x64';
import { sharedCode } from '../../code.ts';
import type { NativeKernel } from '../../kernel.ts';
import type { Engine } from '../../list.ts';
import type { NativeCall, NativeProgram } from '../../program.ts';
import { avx2 } from '../matmul/isa.ts';

const MOST_CHANNELS = 4;
/** Pixels at a time, and of a unit. */
const STRIP = 16;
const UNIT = 1 << 14;
/** Where a shuffle gives zero. */
const NONE = 0x80;
/** What a byte takes, in multiply-adds of float32. */
const BYTE = 1.5;

const argumentWords = ['x', 'y', 'pixels', 'unitsPerImage'] as const;

function channelsOf({ inputs: [x], attrs }: Call): number | Rejection {
  const rank = x!.shape.length;
  const perm = attrs['perm'] as readonly number[] | undefined;
  const isLast = perm?.every((axis, i) => axis === (i === 0 ? 0 : i === rank - 1 ? 1 : i + 1));
  const channels = x!.shape[1];
  if (rank < 3 || !isLast) return { reason: 'it does not move channels behind pixels' };
  if (typeof channels !== 'number' || channels < 2 || channels > MOST_CHANNELS)
    return { reason: `it has ${channels} channels, not 2 to ${MOST_CHANNELS}` };
  return channels;
}

/** Entry: args in rdi, unit in rsi. */
function emitInterleave(channels: number): Uint8Array {
  const a = new Assembler();
  const args = at(rdi);
  const argument = (name: (typeof argumentWords)[number]): number => 8 * argumentWords.indexOf(name);
  const [from, to, plane, third, left] = [r8, r9, r10, r11, rcx];
  const planes = [at(from), at(from, plane), at(from, plane, 2), at(from, third)];
  const [loop, tail, done] = [a.label(), a.label(), a.label()];
  a.mov(rax, rsi);
  a.xor(edx, edx);
  a.div(qword(args), argument('unitsPerImage'));
  a.imuli(rdx, rdx, UNIT);
  a.mov(plane, args, argument('pixels'));
  a.lea(third, at(plane, plane, 2));
  a.imul(rax, plane);
  a.imuli(rax, rax, channels);
  a.lea(from, at(rax, rdx));
  a.add(from, args, argument('x'));
  a.imuli(to, rdx, channels);
  a.add(to, rax);
  a.add(to, args, argument('y'));
  a.mov(left, plane);
  a.sub(left, rdx);
  a.movi(rax, UNIT);
  a.cmp(left, rax);
  a.cmova(left, rax);
  a.bind(loop);
  a.subi(left, STRIP);
  a.jb(tail);
  const [sum, part] = [xmm(MOST_CHANNELS), xmm(MOST_CHANNELS + 1)];
  for (let c = 0; c < channels; c++) a.vmovups(xmm(c), planes[c]!);
  for (let j = 0; j < channels; j++) {
    for (let c = 0; c < channels; c++) {
      const order = Uint8Array.from({ length: STRIP }, (_, i) => {
        const position = STRIP * j + i;
        return position % channels === c ? Math.floor(position / channels) : NONE;
      });
      a.vpshufb(c === 0 ? sum : part, xmm(c), a.constant(order));
      if (c > 0) a.vpor(sum, sum, part);
    }
    a.vmovups(at(to), STRIP * j, sum);
  }
  a.addi(from, STRIP);
  a.addi(to, STRIP * channels);
  a.jmp(loop);
  a.bind(tail);
  a.addi(left, STRIP);
  a.jz(done);
  const pixel = a.here();
  for (let c = 0; c < channels; c++) {
    const [base, index, scale] = [from, [undefined, plane, plane, third][c], c === 2 ? 2 : 1] as const;
    a.mov(al, index === undefined ? byte(base) : byte(base, index, scale));
    a.mov(byte(to), c, al);
  }
  a.inc(from);
  a.addi(to, channels);
  a.dec(left);
  a.jnz(pixel);
  a.bind(done);
  a.ret();
  return a.finish().slice();
}

function prepare(call: Call, engine: Engine): NativeProgram {
  const channels = channelsOf(call) as number;
  const code = sharedCode(engine.addon, emitInterleave, channels);
  const pixelsOf = ({ inputs: [x] }: Pick<NativeCall, 'inputs'>): number => sizeOf(x!.dims.slice(2));
  const unitsPerImage = (bound: Pick<NativeCall, 'inputs'>): number => Math.ceil(pixelsOf(bound) / UNIT);
  return {
    resident: code.bytes,
    phases: [
      {
        code: code.addresses[0]!,
        units: (bound) => bound.inputs[0]!.dims[0]! * unitsPerImage(bound),
        args: (bound) => [
          ...[bound.inputs[0]!.address, bound.outputs[0]!.address],
          ...[pixelsOf(bound), Math.max(1, unitsPerImage(bound))],
        ],
      },
    ],
    dispose: () => code.dispose(),
  };
}

export const interleaveInt8: readonly NativeKernel[] = [
  {
    name: 'transpose_i8_planes_16__avx2',
    op: 'Transpose',
    requires: avx2.requires,
    types: { T: ['uint8', 'int8'] },
    work(call: Call, at: Binding): Work | Rejection {
      const channels = channelsOf(call);
      if (typeof channels !== 'number') return channels;
      const bytes = tensorBytes(call, at);
      return { macs: BYTE * sizeOf(bindShape(call.inputs[0]!.shape, at)), bytes, resident: 0 };
    },
    law: ({ macs, bytes }, rates) =>
      rates['call']! + (macs / rates['fma']! + bytes / (2 * rates['bytes']!)) / rates['threads']!,
    prepare: (call, _constants, engine) => prepare(call, engine),
  },
];
