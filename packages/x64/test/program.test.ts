/** What is more than one instruction: labels, jumps, alignment, constants, memory that grows, features. */
import { describe, expect, test } from 'vitest';
import { tables } from '../src/assembler.ts';
import {
  Assembler,
  at,
  BROADCAST,
  dword,
  eax,
  k1,
  rax,
  rcx,
  rdi,
  rip,
  rsi,
  SHORT,
  tmm0,
  tmm1,
  tmm2,
  xmm0,
  xmm1,
  xmm16,
  ymm,
  ymm0,
  ymm1,
  zmm,
  zmm0,
  zmm1,
} from '../src/index.ts';
import { allCases } from './cases.ts';
import { missing, program } from './gnu.ts';

const emitted = (write: (a: Assembler) => void): number[] => {
  const a = new Assembler();
  write(a);
  return [...a.finish()];
};

describe('labels', () => {
  test('a jump back is short where it reaches', () => {
    const loop = (size: number): number[] =>
      emitted((a) => {
        const start = a.here();
        a.nop(size);
        a.jnz(start);
      }).slice(size);
    expect(loop(0)).toEqual([0x75, 0xfe]);
    expect(loop(126)).toEqual([0x75, 0x80]);
    expect(loop(127)).toEqual([0x0f, 0x85, 0x7b, 0xff, 0xff, 0xff]);
  });

  test('a jump ahead is long, and short when asked', () => {
    const skip = (distance?: typeof SHORT): number[] =>
      emitted((a) => {
        const end = a.label();
        if (distance) a.jmp(end, distance);
        else a.jmp(end);
        a.nop(3);
        a.bind(end);
      }).slice(0, -3);
    expect(skip()).toEqual([0xe9, 3, 0, 0, 0]);
    expect(skip(SHORT)).toEqual([0xeb, 3]);
  });

  test('a short jump that does not reach is an error that names both ends', () => {
    const a = new Assembler();
    const end = a.label('done');
    a.nop(2);
    a.jz(end, SHORT);
    a.nop(128);
    a.bind(end);
    expect(() => a.finish()).toThrow(
      expect.objectContaining({
        code: 'OUT_OF_RANGE',
        message: expect.stringMatching(/at 2 to label done spans 128 bytes/),
      }),
    );
  });

  test('a short jump reaches 127 bytes ahead and 128 back', () => {
    const ahead = emitted((a) => {
      const end = a.label();
      a.jz(end, SHORT);
      a.nop(127);
      a.bind(end);
    });
    expect(ahead.slice(0, 2)).toEqual([0x74, 127]);
    const a = new Assembler();
    const start = a.here();
    a.nop(127);
    a.jz(start, SHORT);
    expect(() => a.finish()).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }));
  });

  test('calls, and addresses of labels with an immediate behind them', () => {
    const bytes = emitted((a) => {
      const data = a.label();
      a.call(data);
      a.cmpi(dword(rip(data)), 4, 1000);
      a.bind(data);
    });
    expect(bytes).toEqual([0xe8, 10, 0, 0, 0, 0x81, 0x3d, 4, 0, 0, 0, 0xe8, 3, 0, 0]);
  });

  test('mistakes have a code', () => {
    const a = new Assembler();
    const label = a.label('twice');
    a.bind(label);
    expect(() => a.bind(label)).toThrow(expect.objectContaining({ code: 'BAD_LABEL' }));
    expect(() => a.jmp(label + 1)).toThrow(expect.objectContaining({ code: 'BAD_LABEL' }));
    expect(() => a.jmp(5)).toThrow(expect.objectContaining({ code: 'BAD_OPERAND' }));
    expect(() => a.call(label + 1)).toThrow(expect.objectContaining({ code: 'BAD_LABEL' }));
    expect(a.position).toBe(0);
    a.jmp(a.label('nowhere'));
    expect(() => a.finish()).toThrow(/label nowhere is used at 1 but never bound/);
  });

  test('offsets are known once bound', () => {
    const a = new Assembler();
    const label = a.label();
    expect(a.offset(label)).toBeUndefined();
    a.nop(7);
    a.bind(label);
    expect(a.offset(label)).toBe(7);
  });

  const reason = missing();
  test.skipIf(reason)(`a program with all of that is the one of GNU as${reason ? ` (skipped: ${reason})` : ''}`, () => {
    const a = new Assembler();
    const [start, end, table] = [a.here(), a.label(), a.label()];
    a.vbroadcastss(zmm0, rip(table), 4);
    a.jae(end);
    a.vaddps(xmm1, xmm0, rip(table));
    a.vshufps(xmm1, xmm0, rip(table), 8, 0x1b);
    a.vaddps(xmm16, xmm0, rip(table), 16);
    a.test(rax, rax);
    a.jnz(start);
    a.lea(rcx, rip(start));
    a.jmp(rcx);
    a.jmp(at(rdi, rsi, 8), 16);
    a.nop(5);
    for (let i = 0; i < 40; i++) a.mov(rax, rcx);
    a.jbe(start);
    a.jmp(start);
    a.call(start);
    a.bind(end);
    a.ret();
    a.bind(table);
    a.data(Int32Array.of(1, 2, 3));
    const text = `start: vbroadcastss zmm0, dword ptr [rip+table+4]
      {disp32} jae end
      vaddps xmm1, xmm0, xmmword ptr [rip+table]
      vshufps xmm1, xmm0, xmmword ptr [rip+table+8], 0x1b
      vaddps xmm16, xmm0, xmmword ptr [rip+table+16]
      test rax, rax
      jnz start
      lea rcx, [rip+start]
      jmp rcx
      jmp qword ptr [rdi+rsi*8+16]
      .nops 5
      .rept 40
      mov rax, rcx
      .endr
      jbe start
      jmp start
      call start
      end: ret
      table: .long 1, 2, 3`;
    expect([...a.finish()]).toEqual([...program(text)]);
  });
});

describe('alignment', () => {
  test('pads with no-ops', () => {
    const a = new Assembler();
    a.ret();
    a.align(16);
    expect(a.position).toBe(16);
    a.align(16);
    expect(a.position).toBe(16);
    expect([...a.finish()].slice(1, 10)).toEqual([0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0]);
  });

  test.each([0, 3, -8, 8192, 1.5])('of %d is refused', (alignment) => {
    expect(() => new Assembler().align(alignment)).toThrow(expect.objectContaining({ code: 'OUT_OF_RANGE' }));
  });
});

describe('constants', () => {
  test('lie behind the code, aligned, once each, the widest first', () => {
    const a = new Assembler();
    a.vaddps(zmm1, zmm1, a.constant(Float32Array.of(0.5)), 0, BROADCAST);
    a.vmulps(zmm1, zmm1, a.constant(Float32Array.of(0.5)), 0, BROADCAST);
    a.vaddps(ymm1, ymm0, a.constant(new Float32Array(8).fill(2)));
    const bytes = a.finish();
    expect(bytes.length).toBe(32 + 32 + 4);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    expect([view.getFloat32(32, true), view.getFloat32(64, true)]).toEqual([2, 0.5]);
    expect([view.getInt32(6, true), view.getInt32(16, true)]).toEqual([64 - 10, 64 - 20]);
    expect(bytes[28]).toBe(0xcc);
  });
});

describe('memory', () => {
  test('grows without losing anything', () => {
    const write = (a: Assembler): string => {
      for (let i = 0; i < 5000; i++) a.vfmadd231ps(zmm(i & 31), zmm(3), at(rsi), i * 4, BROADCAST);
      a.data(new Uint8Array(100_000).fill(7));
      a.movi(rax, 12345678901234n);
      return Buffer.from(a.finish()).toString('hex');
    };
    expect(write(new Assembler(1))).toBe(write(new Assembler(1 << 20)));
  });

  test('is reused after reset', () => {
    const a = new Assembler();
    a.jmp(a.label());
    a.reset();
    a.ret();
    const [first, memory] = [a.finish(), a.bytes];
    expect([...first]).toEqual([0xc3]);
    a.reset();
    expect(a.position).toBe(0);
    a.int3();
    expect(a.finish().buffer).toBe(memory.buffer);
    expect([...first]).toEqual([0xcc]);
  });

  test('holds nothing of an instruction that was refused', () => {
    const a = new Assembler();
    expect(() => a.vaddps(zmm0, zmm0, at(rdi), 0.5)).toThrow();
    expect(() => a.vaddps(zmm0, zmm0, ymm0)).toThrow();
    expect(a.position).toBe(0);
    expect(a.features()).toEqual([]);
  });
});

describe('features', () => {
  const needs = (write: (a: Assembler) => void): string[] => {
    const a = new Assembler();
    write(a);
    return a.features();
  };

  test('follow the encodings that were chosen', () => {
    expect(needs((a) => a.mov(rax, rcx))).toEqual([]);
    expect(needs((a) => a.vaddps(ymm0, ymm1, ymm0))).toEqual(['avx']);
    expect(needs((a) => a.vpaddd(xmm0, xmm1, xmm0))).toEqual(['avx']);
    expect(needs((a) => a.vpaddd(ymm0, ymm1, ymm0))).toEqual(['avx2']);
    expect(needs((a) => a.vpaddd(xmm0, xmm1, xmm16))).toEqual(['avx512f', 'avx512vl']);
    expect(needs((a) => a.vaddps(zmm0, zmm1, zmm0))).toEqual(['avx512f']);
    expect(needs((a) => a.vaddss(xmm0, xmm1, xmm16))).toEqual(['avx512f']);
    expect(needs((a) => a.vpdpbusd(zmm0, zmm1, zmm0))).toEqual(['avx512vnni']);
    expect(needs((a) => a.vpdpbusd_vex(ymm0, ymm1, ymm0))).toEqual(['avxvnni']);
    expect(needs((a) => a.tdpbssd(tmm0, tmm1, tmm2))).toEqual(['amx-int8']);
    expect(needs((a) => a.popcnt(eax, eax))).toEqual(['popcnt']);
    expect(needs((a) => a.vpgatherdd(ymm0, at(rdi, ymm1, 4), 0, k1))).toEqual(['avx512f', 'avx512vl']);
    expect(needs((a) => a.vpgatherdd(ymm0, at(rdi, ymm1, 4), 0, ymm(2)))).toEqual(['avx2']);
    expect(needs((a) => a.vbroadcastss(ymm0, at(rdi)))).toEqual(['avx']);
    expect(needs((a) => a.vbroadcastss(ymm0, xmm1))).toEqual(['avx2']);
  });

  test('add up until reset', () => {
    const a = new Assembler();
    a.vaddps(ymm0, ymm1, ymm0);
    a.vfmadd231ps(ymm0, ymm1, ymm0);
    expect(a.features()).toEqual(['avx', 'fma']);
    a.reset();
    expect(a.features()).toEqual([]);
  });
});

describe('tables', () => {
  test('name each instruction once', () => {
    const names = Object.values(tables).flatMap((table) => Object.keys(table));
    expect(names.length).toBe(new Set(names).size);
  });

  test('give every instruction a feature, or are integer instructions of any x86-64', () => {
    const a = new Assembler();
    const plain = [...allCases()].filter(({ emit }) => {
      a.reset();
      emit(a, a.here());
      return a.features().length === 0;
    });
    const names = new Set(plain.map(({ form }) => form.split(' ')[0]));
    expect([...names].filter((name) => !(name in tables.integer || name in tables.control))).toEqual([]);
  });

  test('leave V8 room to keep each prototype in its fast form, which ends at 1020 properties', () => {
    for (let p = Assembler.prototype; p !== Object.prototype; p = Object.getPrototypeOf(p)) {
      expect(Object.getOwnPropertyNames(p).length).toBeLessThan(1000);
    }
  });
});

test('an instruction that is copied has another displacement', () => {
  const once = new Assembler(64);
  once.nop(3);
  once.vfmadd231ps(zmm0, zmm1, at(rdi), 4, BROADCAST);
  const code = once.finish();
  const [copied, direct] = [new Assembler(64), new Assembler(64)];
  for (let i = -128; i < 128; i++) {
    // A displacement of zero would take a byte less.
    if (i === 0) continue;
    copied.again(code, 3, code.length - 3, i);
    direct.vfmadd231ps(zmm0, zmm1, at(rdi), 4 * i, BROADCAST);
  }
  expect(copied.finish()).toEqual(direct.finish());
});
