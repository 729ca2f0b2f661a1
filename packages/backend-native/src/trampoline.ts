/**
 * The one place that knows calling conventions. The addon calls it as a C function `(code, args, unit, thread)`; emitted
 * kernels find args in rdi, the unit in rsi, the thread in rdx, may use every register, and return with `ret`.
 */

import {
  Assembler,
  at,
  dword,
  r8,
  r9,
  r12,
  r13,
  r14,
  r15,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  xmm,
} from '@espalier/x64';

const preserved = [rbx, rbp, r12, r13, r14, r15];
/** Bytes for xmm6 to xmm15 on Windows and two MXCSR words; keeps what kernels store there aligned. */
const FRAME = 176;
/** Round to nearest, every exception masked, subnormals as IEEE 754 has them. */
const MXCSR = 0x1f80;

/** @param tiles whether kernels may leave AMX tiles configured, which must be released again */
export function emitTrampoline(platform: string, tiles: boolean): Uint8Array {
  const a = new Assembler();
  const windows = platform === 'win32';
  const saved = windows ? [...preserved, rdi, rsi] : preserved;
  for (const register of saved) a.push(register);
  a.subi(rsp, FRAME);
  if (windows) for (let i = 6; i < 16; i++) a.vmovups(at(rsp), (i - 6) * 16, xmm(i));
  a.stmxcsr(at(rsp), 160);
  a.movi(dword(rsp), 164, MXCSR);
  a.ldmxcsr(at(rsp), 164);
  const [code, args, unit, thread] = windows ? [rcx, rdx, r8, r9] : [rdi, rsi, rdx, rcx];
  a.mov(rax, code);
  a.mov(rdi, args);
  a.mov(rsi, unit);
  a.mov(rdx, thread);
  a.call(rax);
  a.vzeroupper();
  if (tiles) a.tilerelease();
  a.ldmxcsr(at(rsp), 160);
  if (windows) for (let i = 6; i < 16; i++) a.vmovups(xmm(i), at(rsp), (i - 6) * 16);
  a.addi(rsp, FRAME);
  for (const register of saved.reverse()) a.pop(register);
  a.ret();
  return a.finish().slice();
}
