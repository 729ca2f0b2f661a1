/** Operands that no instruction has are refused, at the latest when they are emitted; most by TypeScript already. */
import { describe, expect, test } from 'vitest';
import {
  Assembler,
  AssemblerError,
  type AssemblerErrorCode,
  al,
  at,
  BROADCAST,
  cl,
  dword,
  eax,
  ecx,
  k,
  k0,
  k1,
  qword,
  RN_SAE,
  rax,
  rcx,
  rdi,
  rip,
  rsp,
  SAE,
  tmm,
  tmm0,
  tmm1,
  xmm,
  xmm0,
  xmm1,
  xmm16,
  ymm,
  ymm0,
  ymm1,
  ZERO,
  zmm,
  zmm0,
  zmm1,
  zmm2,
  zmm16,
} from '../src/index.ts';

/** Each expectation is a code and what the message has to say. */
type Refused = [what: string, code: AssemblerErrorCode, message: RegExp, write: (a: Assembler) => void];

function refuses(cases: Refused[]): void {
  test.each(cases)('%s', (_what, code, message, write) => {
    const a = new Assembler();
    let error: unknown;
    try {
      write(a);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(AssemblerError);
    expect(error).toBeInstanceOf(TypeError);
    expect(error).toMatchObject({ name: 'AssemblerError', code, message: expect.stringMatching(message) });
    expect(a.position).toBe(0);
  });
}

describe('operands', () => {
  refuses([
    [
      'a register that does not exist',
      'BAD_OPERAND',
      /vaddps\(zmm0, 2592, zmm1\)/,
      (a) => a.vaddps(zmm0, zmm0 + 32, zmm1),
    ],
    ['a general one that does not', 'BAD_OPERAND', /vmovd\(xmm0, 528\)/, (a) => a.vmovd(xmm0, eax + 16)],
    [
      'lengths that differ',
      'BAD_OPERAND',
      /^vaddps\(zmm0, ymm1, zmm0\) fits no form; there are: xmm, xmm, xmm; xmm, xmm, m128; /,
      (a) => a.vaddps(zmm0, ymm1, zmm0),
    ],
    ['sizes that differ', 'BAD_OPERAND', /^add\(rax, ecx\) fits no form/, (a) => a.add(rax, ecx)],
    // @ts-expect-error a general register is no vector register
    ['a general register for a vector', 'BAD_OPERAND', /vaddps\(zmm0, rax, zmm1\)/, (a) => a.vaddps(zmm0, rax, zmm1)],
    // @ts-expect-error a mask register is no vector register
    ['a mask register for a vector', 'BAD_OPERAND', /vaddps\(zmm0, k1, zmm1\)/, (a) => a.vaddps(zmm0, k1, zmm1)],
    // @ts-expect-error a base register is no address
    ['a register for an address', 'BAD_OPERAND', /vbroadcastss\(zmm0, rdi\)/, (a) => a.vbroadcastss(zmm0, rdi)],
    ['an immediate for a register', 'BAD_OPERAND', /add\(rax, 5\)/, (a) => a.add(rax, 5)],
    ['a number without a class', 'BAD_OPERAND', /vaddps\(1, 2, 3\)/, (a) => a.vaddps(1, 2, 3)],
    ['nothing', 'BAD_OPERAND', /^vaddps\(\) fits no form/, (a) => (a.vaddps as () => void)()],
    ['a high register without EVEX', 'BAD_OPERAND', /registers 0 to 15 only/, (a) => a.vhaddps(xmm16, xmm0, xmm0)],
    [
      'a high register with AVX-VNNI',
      'BAD_OPERAND',
      /registers 0 to 15 only/,
      (a) => a.vpdpbusd_vex(xmm0, xmm16, xmm0),
    ],
    ['512 bits where there are none', 'BAD_OPERAND', /no such form at 512 bits/, (a) => a.vhaddps(zmm0, zmm1, zmm2)],
    [
      'a memory form where there is none',
      'BAD_OPERAND',
      /no such form/,
      (a) => (a.vmovhlps as (...o: number[]) => void)(xmm0, xmm1, at(rdi)),
    ],
    ['the same tile twice', 'BAD_OPERAND', /must be different/, (a) => a.tdpbssd(tmm0, tmm1, tmm1)],
    ['a gather into its index', 'BAD_OPERAND', /must be different/, (a) => a.vpgatherdd(zmm1, at(rdi, zmm1, 4), 0, k1)],
    [
      'a gather with an index of another length',
      'BAD_OPERAND',
      /vpgatherdd\(/,
      (a) => a.vpgatherdd(zmm1, at(rdi, ymm0, 4), 0, k1),
    ],
    ['a gather without an index', 'BAD_OPERAND', /vpgatherdd\(/, (a) => a.vpgatherdd(zmm1, at(rdi), 0, k1)],
    ['a shift by another register', 'OUT_OF_RANGE', /immediate/, (a) => a.shl(rax, rcx)],
    ['widening to the same width', 'BAD_OPERAND', /movzx\(eax, ecx\)/, (a) => a.movzx(eax, ecx)],
  ]);

  test('options in the place of a displacement are seen by TypeScript, as no processor could', () => {
    const a = new Assembler();
    // @ts-expect-error the displacement is missing
    a.vaddps(zmm0, zmm1, at(rdi), BROADCAST);
    expect(a.position).toBeGreaterThan(0);
  });

  test.each([xmm, ymm, zmm, k, tmm])('registers that do not exist', (register) => {
    for (const number of [-1, 32, 1.5, Number.NaN]) {
      expect(() => register(number)).toThrow(expect.objectContaining({ code: 'BAD_OPERAND' }));
    }
  });
});

describe('addresses', () => {
  refuses([
    ['rsp as index', 'BAD_ADDRESS', /rsp cannot be an index/, () => at(rax, rsp)],
    ['a 32-bit base', 'BAD_ADDRESS', /eax cannot be a base/, () => at(eax)],
    ['a number as base', 'BAD_ADDRESS', /5 cannot be a base/, () => at(5)],
    // @ts-expect-error 3 is no scale
    ['a scale of 3', 'BAD_ADDRESS', /1, 2, 4 or 8, not 3/, () => at(rax, rcx, 3)],
    ['a mask register as index', 'BAD_ADDRESS', /k1 cannot be an index/, () => at(rax, k1 as number)],
    [
      'a vector index outside a gather',
      'BAD_ADDRESS',
      /\[rax \+ zmm1 \* 4\]: only gathers/,
      (a) => a.vaddps(zmm0, zmm0, at(rax, zmm1, 4)),
    ],
    ['no label', 'BAD_ADDRESS', /rax is no label/, () => rip(rax as number)],
    ['a size that is not said', 'BAD_ADDRESS', /inc: say how much memory is meant: byte/, (a) => a.inc(at(rdi))],
    ['a length that is not said', 'BAD_ADDRESS', /xmmword/, (a) => a.vcvtpd2ps(xmm0, at(rdi))],
    [
      'an integer size that is not said',
      'BAD_ADDRESS',
      /dword\(\.\.\.\) or qword/,
      (a) => a.vcvtsi2ss(xmm0, xmm1, at(rdi)),
    ],
    ['a tile without a stride', 'BAD_ADDRESS', /\[rdi\] has no stride/, (a) => a.tileloadd(tmm0, at(rdi))],
  ]);
});

describe('options', () => {
  refuses([
    ['k0 as mask', 'BAD_OPTION', /one of k1 to k7/, (a) => a.vaddps(zmm0, zmm1, zmm2, k0)],
    ['zeroing without a mask', 'BAD_OPTION', /one of k1 to k7/, (a) => a.vaddps(zmm0, zmm1, zmm2, ZERO)],
    [
      'zeroing of memory',
      'BAD_OPTION',
      /this form takes a mask without ZERO/,
      (a) => a.vmovups(at(rdi), 0, zmm0, k1 | ZERO),
    ],
    [
      'a broadcast of registers',
      'BAD_OPTION',
      /BROADCAST: this form takes a mask, ZERO, a rounding/,
      (a) => a.vaddps(zmm0, zmm1, zmm2, BROADCAST),
    ],
    ['a broadcast of bytes', 'BAD_OPTION', /takes a mask, ZERO$/, (a) => a.vpaddb(zmm0, zmm1, at(rdi), 0, BROADCAST)],
    ['a rounding of memory', 'BAD_OPTION', /\{rn-sae\}/, (a) => a.vaddps(zmm0, zmm1, at(rdi), 0, RN_SAE)],
    [
      'a rounding of 256 bits',
      'BAD_OPTION',
      /only zmm registers and scalars/,
      (a) => a.vaddps(ymm0, ymm1, ymm1, RN_SAE),
    ],
    [
      'a rounding where only SAE is',
      'BAD_OPTION',
      /takes a mask, ZERO, SAE/,
      (a) => a.vmaxps(zmm0, zmm1, zmm2, RN_SAE),
    ],
    ['SAE where a rounding is', 'BAD_OPTION', /a rounding/, (a) => a.vaddps(zmm0, zmm1, zmm2, SAE)],
    ['a mask where there is none', 'BAD_OPTION', /takes no options/, (a) => a.vpsadbw(zmm0, zmm1, zmm2, k1)],
    ['a mask without EVEX', 'BAD_OPTION', /no EVEX form/, (a) => a.vhaddps(ymm0, ymm1, ymm1, k1)],
    ['a number that is no option', 'BAD_OPTION', /64/, (a) => a.vaddps(zmm0, zmm1, zmm2, 64)],
    ['a displacement for an option', 'BAD_OPTION', /vaddps: 16/, (a) => a.vaddps(zmm0, zmm1, at(rdi), 0, 16)],
    ['k0 for a gather', 'BAD_OPTION', /k1 to k7/, (a) => a.vpgatherdd(zmm1, at(rdi, zmm16, 4), 0, k0)],
  ]);
});

describe('ranges', () => {
  refuses([
    [
      'a displacement of 33 bits',
      'OUT_OF_RANGE',
      /2147483648 is no 32-bit integer/,
      (a) => a.mov(rax, at(rdi), 2 ** 31),
    ],
    ['half a displacement', 'OUT_OF_RANGE', /0.5/, (a) => a.vaddps(zmm0, zmm0, at(rdi), 0.5)],
    ['NaN as displacement', 'OUT_OF_RANGE', /NaN/, (a) => a.vaddps(zmm0, zmm0, at(rdi), Number.NaN)],
    [
      'an imm8 of 256',
      'OUT_OF_RANGE',
      /vshufps: the immediate 256 .* -128 to 255/,
      (a) => a.vshufps(zmm0, zmm0, zmm0, 256),
    ],
    ['half an imm8', 'OUT_OF_RANGE', /1.5/, (a) => a.vpslldi(zmm0, zmm0, 1.5)],
    [
      'an imm8 that was forgotten',
      'OUT_OF_RANGE',
      /undefined/,
      (a) => (a.vshufps as (...o: number[]) => void)(zmm0, zmm0, zmm0),
    ],
    ['an unsigned imm32 for 64 bits', 'OUT_OF_RANGE', /-2147483648 to 2147483647/, (a) => a.addi(rax, 0x80000000)],
    ['33 bits for 32', 'OUT_OF_RANGE', /4294967296/, (a) => a.movi(eax, 2 ** 32)],
    ['300 for a byte', 'OUT_OF_RANGE', /-128 to 255/, (a) => a.addi(al, 300)],
    ['65 bits for 64', 'OUT_OF_RANGE', /18446744073709551616/, (a) => a.movi(rax, 1n << 64n)],
    ['a number that is not exact', 'OUT_OF_RANGE', /exact integer/, (a) => a.movi(rax, 2 ** 60)],
    ['33 bits into 32 of memory', 'OUT_OF_RANGE', /4900000000/, (a) => a.movi(dword(rdi), 0, 70000 * 70000)],
    ['a bad size of stack', 'BAD_OPERAND', /push\(eax\)/, (a) => a.push(eax)],
    ['cl as an operand of 64 bits', 'BAD_OPERAND', /add\(rax, cl\)/, (a) => a.add(rax, cl)],
    ['a 64-bit store of an imm64', 'OUT_OF_RANGE', /movi/, (a) => a.movi(qword(rdi), 0, 2 ** 40)],
  ]);
});
