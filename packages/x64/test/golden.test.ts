/** A handful of encodings written out, to be compared with the manual by eye. */
import { expect, test } from 'vitest';
import {
  type Assembler,
  al,
  at,
  BROADCAST,
  cl,
  dword,
  eax,
  ecx,
  k1,
  k2,
  Assembler as New,
  qword,
  RZ_SAE,
  r9,
  r12,
  r13,
  rax,
  rbp,
  rcx,
  rdi,
  rsi,
  rsp,
  sil,
  tmm1,
  tmm2,
  tmm3,
  xmm0,
  xmm1,
  xmm2,
  xmm3,
  xmm8,
  xmm17,
  ymm1,
  ymm2,
  ymm16,
  ZERO,
  zmm1,
  zmm2,
  zmm3,
  zmm5,
  zmm9,
  zmm30,
} from '../src/index.ts';

const golden: [text: string, bytes: string, emit: (a: Assembler) => void][] = [
  ['mov rax, rcx', '48 89 c8', (a) => a.mov(rax, rcx)],
  ['mov eax, ecx', '89 c8', (a) => a.mov(eax, ecx)],
  ['mov al, sil', '40 88 f0', (a) => a.mov(al, sil)],
  ['mov rax, [rsp]', '48 8b 04 24', (a) => a.mov(rax, at(rsp))],
  ['mov rax, [rbp]', '48 8b 45 00', (a) => a.mov(rax, at(rbp))],
  ['mov [r12 + 8], r9', '4d 89 4c 24 08', (a) => a.mov(at(r12), 8, r9)],
  ['mov rax, [r13 + rcx * 4]', '49 8b 44 8d 00', (a) => a.mov(rax, at(r13, rcx, 4))],
  ['mov rax, -1', '48 c7 c0 ff ff ff ff', (a) => a.movi(rax, -1)],
  ['mov rax, 2^31', '48 b8 00 00 00 80 00 00 00 00', (a) => a.movi(rax, 2 ** 31)],
  ['add rdi, 127', '48 83 c7 7f', (a) => a.addi(rdi, 127)],
  ['add rdi, 128', '48 81 c7 80 00 00 00', (a) => a.addi(rdi, 128)],
  ['add rax, 128', '48 05 80 00 00 00', (a) => a.addi(rax, 128)],
  ['and eax, 0xfffffff0', '83 e0 f0', (a) => a.andi(eax, 0xfffffff0)],
  ['cmp dword [rdi], 5', '83 3f 05', (a) => a.cmpi(dword(rdi), 0, 5)],
  ['shl rax, cl', '48 d3 e0', (a) => a.shl(rax, cl)],
  ['shr qword [rdi], 1', '48 d1 2f', (a) => a.shr(qword(rdi), 0, 1)],
  ['prefetcht1 [rsi + 4096]', '0f 18 96 00 10 00 00', (a) => a.prefetcht1(at(rsi), 4096)],
  ['shlx rax, rcx, rdi', 'c4 e2 c1 f7 c1', (a) => a.shlx(rax, rcx, rdi)],
  ['vaddps xmm1, xmm2, xmm3', 'c5 e8 58 cb', (a) => a.vaddps(xmm1, xmm2, xmm3)],
  ['vaddps ymm1, ymm16, ymm2', '62 f1 7c 20 58 ca', (a) => a.vaddps(ymm1, ymm16, ymm2)],
  ['vaddps zmm1, zmm2, zmm3, {rz-sae}', '62 f1 6c 78 58 cb', (a) => a.vaddps(zmm1, zmm2, zmm3, RZ_SAE)],
  ['vaddps zmm1{k1}{z}, zmm2, zmm3', '62 f1 6c c9 58 cb', (a) => a.vaddps(zmm1, zmm2, zmm3, k1 | ZERO)],
  [
    'vfmadd231ps zmm5, zmm30, [rsi + 508]{1to16}',
    '62 f2 0d 50 b8 6e 7f',
    (a) => a.vfmadd231ps(zmm5, zmm30, at(rsi), 508, BROADCAST),
  ],
  [
    'vfmadd231ps zmm5, zmm30, [rsi + 510]{1to16}',
    '62 f2 0d 50 b8 ae fe 01 00 00',
    (a) => a.vfmadd231ps(zmm5, zmm30, at(rsi), 510, BROADCAST),
  ],
  ['vmovups [rdi + 8128]{k2}, zmm9', '62 71 7c 4a 11 4f 7f', (a) => a.vmovups(at(rdi), 8128, zmm9, k2)],
  ['vmovaps xmm0, xmm8', 'c5 78 29 c0', (a) => a.vmovaps(xmm0, xmm8)],
  ['vmovd xmm17, eax', '62 e1 7d 08 6e c8', (a) => a.vmovd(xmm17, eax)],
  ['vpdpbusd xmm1, xmm2, xmm3', '62 f2 6d 08 50 cb', (a) => a.vpdpbusd(xmm1, xmm2, xmm3)],
  ['{vex} vpdpbusd xmm1, xmm2, xmm3', 'c4 e2 69 50 cb', (a) => a.vpdpbusd_vex(xmm1, xmm2, xmm3)],
  [
    'vpgatherdd zmm1{k1}, [rdi + zmm3 * 4 + 8]',
    '62 f2 7d 49 90 4c 9f 02',
    (a) => a.vpgatherdd(zmm1, at(rdi, zmm3, 4), 8, k1),
  ],
  ['vzeroupper', 'c5 f8 77', (a) => a.vzeroupper()],
  ['kmovw k1, ecx', 'c5 f8 92 c9', (a) => a.kmovw(k1, ecx)],
  ['tileloadd tmm1, [rdi + rsi]', 'c4 e2 7b 4b 0c 37', (a) => a.tileloadd(tmm1, at(rdi, rsi))],
  ['tdpfp16ps tmm1, tmm2, tmm3', 'c4 e2 63 5c ca', (a) => a.tdpfp16ps(tmm1, tmm2, tmm3)],
];

test.each(golden)('%s', (_text, bytes, emit) => {
  const a = new New();
  emit(a);
  expect(hex(a.finish())).toBe(bytes);
});

test('no-ops of any length use the recommended forms', () => {
  const a = new New();
  const lengths = [1, 2, 3, 4, 5, 6, 7, 8, 9, 12];
  const shown = lengths.map((length) => {
    a.reset();
    a.nop(length);
    return hex(a.finish());
  });
  expect(shown).toEqual([
    '90',
    '66 90',
    '0f 1f 00',
    '0f 1f 40 00',
    '0f 1f 44 00 00',
    '66 0f 1f 44 00 00',
    '0f 1f 80 00 00 00 00',
    '0f 1f 84 00 00 00 00 00',
    '66 0f 1f 84 00 00 00 00 00',
    '66 0f 1f 84 00 00 00 00 00 0f 1f 00',
  ]);
});

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
