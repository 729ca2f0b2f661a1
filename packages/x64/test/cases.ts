/**
 * Every form of every instruction in a covering set of registers, addresses, immediates and options: what GNU as is asked,
 * and what this assembler is. Deterministic, as digests of the answers are kept.
 */

import { tables } from '../src/assembler.ts';
import { registerName } from '../src/classes.ts';
import type { Assembler } from '../src/index.ts';
import * as x64 from '../src/index.ts';
import type { Form, Row } from '../src/shapes/row.ts';

export interface Case {
  /** The mnemonic and the kinds of its operands. */
  readonly form: string;
  /** For GNU as, in Intel's syntax. `@` stands for a label at the beginning of the instruction. */
  readonly text: string;
  /** `origin` is a label at the beginning of the instruction. */
  readonly emit: (a: Assembler, origin: x64.Label) => void;
}

/** An operand as text and as arguments. A label is resolved when the instruction is emitted. */
interface Operand {
  readonly text: string;
  readonly args: (number | bigint | ((origin: x64.Label) => number))[];
}

type Method = (...args: (number | bigint)[]) => void;

const rows = Object.assign({}, ...Object.values(tables)) as Record<string, Row<unknown>>;
/** How many instructions there are. */
export const instructionNames = Object.keys(rows);

/** Names that end in `i` for the immediate, or in `_vex`, are additions to Intel's. */
function mnemonic(name: string): string {
  if (name.endsWith('_vex')) return `{vex} ${name.slice(0, -4)}`;
  return name.endsWith('i') && name.slice(0, -1) in rows ? name.slice(0, -1) : name;
}

/** All cases, form by form. */
export function* allCases(): Generator<Case> {
  for (const [name, row] of Object.entries(rows)) {
    for (const form of row.forms()) {
      yield* casesOf(name, form);
    }
  }
}

function* casesOf(name: string, form: Form): Generator<Case> {
  const key = `${name} ${form.operands.join(', ').replaceAll('!', '')}`.trim();
  const make = (operands: Operand[], options: [string, number] = ['', 0], decoration = ''): Case => {
    const texts = operands.map((operand) => operand.text);
    if (decoration !== '') texts[0] += decoration;
    const rounding = options[0].endsWith('sae}') ? options[0] : '';
    if (rounding) texts.splice(/^imm/.test(form.operands.at(-1)!) ? texts.length - 1 : texts.length, 0, rounding);
    const memory = form.operands.findIndex((operand) => /^m\d/.test(operand));
    if (options[0].startsWith('{1to')) texts[memory] = broadcastText(form, texts[memory], options[0]);
    const flat = operands.flatMap((operand) => operand.args);
    const args = options[1] === 0 ? flat : [...flat, options[1]];
    return {
      form: key,
      text: `${mnemonic(name)} ${texts.join(', ')}`.trim(),
      emit: (a, origin) => {
        const method = (a as unknown as Record<string, Method>)[name];
        method.apply(
          a,
          args.map((arg) => (typeof arg === 'function' ? arg(origin) : arg)),
        );
      },
    };
  };
  const count = Math.max(1, ...form.operands.map((kind, place) => variants(kind, form, place)));
  for (let i = 0; i < count; i++) {
    const operands = form.operands.map((kind, place) => operand(kind, i, place, form));
    if (form.mask === 'required') {
      const mask = 1 + (i % 7);
      yield make(operands, ['', x64.k(mask)], `{k${mask}}`);
    } else yield make(operands);
  }
  if (!form.evex || form.mask === 'required') return;
  for (const [i, [text, value, decoration]] of optionsOf(form).entries()) {
    const unit = (value & x64.BROADCAST) === x64.BROADCAST ? form.broadcast : undefined;
    yield make(
      form.operands.map((kind, place) => operand(kind, 3 * i + 1, place, form, unit)),
      [text, value],
      decoration,
    );
  }
}

/** Options that the form takes: text, value, and what is written behind the first operand. */
function optionsOf(form: Form): [string, number, string][] {
  const found: [string, number, string][] = [];
  if (form.mask) found.push(['', x64.k1, '{k1}'], ['', x64.k7, '{k7}']);
  if (form.mask && form.zero) found.push(['', x64.k2 | x64.ZERO, '{k2}{z}']);
  if (form.rounding === 'sae') found.push(['{sae}', x64.SAE, '']);
  if (form.rounding === 'er') {
    found.push(['{rn-sae}', x64.RN_SAE, ''], ['{rd-sae}', x64.RD_SAE, ''], ['{ru-sae}', x64.RU_SAE, '']);
    found.push(['{rz-sae}', x64.RZ_SAE, '']);
    if (form.mask) found.push(['{rz-sae}', x64.RZ_SAE | x64.k5, '{k5}']);
  }
  if (form.broadcast) {
    const memory = form.operands.find((operand) => /^m\d/.test(operand))!;
    const times = `{1to${Number.parseInt(memory.slice(1), 10) / form.broadcast}}`;
    for (let i = 0; i < ADDRESSES.length; i++) found.push([times, x64.BROADCAST, '']);
    if (form.mask) found.push([times, x64.BROADCAST | x64.k3, '{k3}']);
  }
  return found;
}

const broadcastText = (form: Form, text: string, times: string): string =>
  `${SIZES[form.broadcast!]} ptr ${text.slice(text.indexOf('['))}${times}`;

const GPR_CLASSES: Record<string, number> = { r64: 1, r32: 2, r16: 3, r8: 4 };
const VECTORS: Record<string, (n: number) => number> = { xmm: x64.xmm, ymm: x64.ymm, zmm: x64.zmm };
const SIZES: Record<number, string> = {
  8: 'byte',
  16: 'word',
  32: 'dword',
  64: 'qword',
  128: 'xmmword',
  256: 'ymmword',
  512: 'zmmword',
};

/** One of each group of eight, so that every bit of a register's number is 0 and 1 somewhere. */
const SWEEP = [0, 7, 8, 15, 16, 23, 24, 31, 5, 12, 18, 27];

/** base, index, scale, and the displacement in units of the operand's size plus bytes. */
const ADDRESSES: [base: number, index: number | undefined, scale: 1 | 2 | 4 | 8, units: number, bytes: number][] = [
  [0, undefined, 1, 0, 0],
  [5, undefined, 1, 0, 0],
  [13, undefined, 1, 0, 0],
  [4, undefined, 1, 1, 0],
  [12, undefined, 1, 0, 0],
  [7, undefined, 1, 127, 0],
  [8, undefined, 1, -128, 0],
  [6, undefined, 1, 128, 0],
  [15, undefined, 1, -129, 0],
  [3, undefined, 1, 1, 1],
  [14, undefined, 1, 0, 127],
  [1, undefined, 1, 0, -128],
  [2, undefined, 1, 0, 0x12345678],
  [0, 1, 1, 0, 0],
  [5, 13, 2, 0, 0],
  [13, 12, 4, 2, 0],
  [4, 5, 8, 3, 0],
  [12, 15, 8, -1, 0],
  [9, 8, 4, 1000, 1],
];

const IMMEDIATES: Record<string, (number | bigint)[]> = {
  imm8: [0, 1, 2, 127, 128, 255, 77],
  imm16: [0, 1, -1, 127, -128, 128, -129, 32767, -32768, 65535, 1000],
  imm32: [0, 1, -1, 127, -128, 128, -129, 2147483647, -2147483648, 100000],
  imm64: [
    2147483648,
    -2147483649,
    4294967295,
    9007199254740991,
    -9007199254740991,
    0x123456789abcdef0n,
    0xffff_ffff_ffff_ffffn,
  ],
};

/** How many cases an operand needs to be covered. */
function variants(kind: string, form: Form, place: number): number {
  if (kind in IMMEDIATES) return IMMEDIATES[kind].length;
  if (kind === 'cl' || kind === 'label') return 1;
  if (/^(m|vm)/.test(kind)) return ADDRESSES.length + (kind.startsWith('m') && kind !== 'msib' ? 1 : 0);
  if (kind === 'k' || kind === 'tmm') return 8;
  if (kind in GPR_CLASSES) return 16;
  return form.evex ? SWEEP.length * 3 + place : SWEEP.length * 2 + place;
}

function operand(kind: string, i: number, place: number, form: Form, unit?: number): Operand {
  if (kind in IMMEDIATES) {
    const value = IMMEDIATES[kind][i % IMMEDIATES[kind].length];
    return { text: String(value), args: [value] };
  }
  if (kind === 'cl') return { text: 'cl', args: [x64.cl] };
  if (kind === 'label') return { text: '@', args: [(origin) => origin] };
  if (kind === 'k') return named(x64.k((i * (place + 1) + place) & 7));
  if (kind === 'tmm') return named(x64.tmm((i + place * 3) & 7));
  if (kind in GPR_CLASSES) return named((GPR_CLASSES[kind] << 8) | ((i * [1, 3, 7][place] + place) & 15));
  if (kind in VECTORS) return named(VECTORS[kind](vectorNumber(i, place, form)));
  if (kind.startsWith('vm')) return vectorAddress(kind.slice(3), i, form);
  return address(kind, i, unit);
}

const named = (code: number): Operand => ({ text: registerName(code)!, args: [code] });

/** Sweeps each operand while the others stay low (so that VEX can be chosen), then moves all at once. */
function vectorNumber(i: number, place: number, form: Form): number {
  const most = form.evex ? 31 : 15;
  if (form.operands.some((kind) => kind.startsWith('vm'))) return (i * 3 + place * 5 + 1) & most;
  const round = Math.floor(i / SWEEP.length);
  const number = SWEEP[i % SWEEP.length];
  if (round < 2) return (round === place % 2 ? number : (i * 3 + place) & 7) & most;
  return (number + place * 11 + round * 5) & most;
}

/** @param unit bits that displacements are multiples of, if not the operand's */
function address(kind: string, i: number, unit?: number): Operand {
  const bits = Number.parseInt(kind.slice(1), 10) || 0;
  const sized = bits === 0 ? '' : `${SIZES[bits]} ptr `;
  const wrap = kind.endsWith('!')
    ? (x64 as unknown as Record<string, (a: number) => number>)[SIZES[bits]]
    : (a: number) => a;
  const tile = kind === 'msib';
  if (!tile && i % (ADDRESSES.length + 1) === ADDRESSES.length) {
    return { text: `${sized}[rip+@+5]`, args: [(origin) => wrap(x64.rip(origin)), 5] };
  }
  const [base, index, scale, units, bytes] = ADDRESSES[i % ADDRESSES.length];
  const disp = units * Math.max((unit ?? bits) / 8, 1) + bytes;
  const strided = tile ? (index ?? 2) : index;
  const at = x64.at(x64.rax + base, strided === undefined ? undefined : x64.rax + strided, scale);
  return {
    text: `${sized}[${addressText(base, strided === undefined ? '' : registerName(x64.rax + strided)!, scale, disp)}]`,
    args: [wrap(at), disp],
  };
}

const addressText = (base: number, index: string, scale: number, disp: number): string =>
  `${registerName(x64.rax + base)}${index && `+${index}*${scale}`}${disp < 0 ? disp : `+${disp}`}`;

function vectorAddress(kind: string, i: number, form: Form): Operand {
  const [base, , scale, units, bytes] = ADDRESSES[i % ADDRESSES.length];
  const register = VECTORS[kind]((i * 3 + 22) & (form.evex ? 31 : 15));
  const disp = units * 4 + bytes;
  const text = `[${addressText(base, registerName(register)!, scale, disp)}]`;
  return { text, args: [x64.at(x64.rax + base, register, scale), disp] };
}
