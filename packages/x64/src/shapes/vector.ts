/** What all vector rows share: their columns, the forms that follow from them, and how their methods are made. */
import {
  type Encoding,
  ER,
  type Evex,
  elementOf,
  encoding,
  SAE,
  type Shape,
  type Vex,
  WHOLE,
} from '../encode/vector.ts';
import type { AssemblerError } from '../errors.ts';
import { className, V } from './kinds.ts';
import { type Emit, type Form, misfit, type Row, row } from './row.ts';

/** The columns of a table behind the operands. */
export type Columns = readonly [pp: number, map: number, opcode: number, tuple: number, ...encodings: (Vex | Evex)[]];

/** A row. */
export interface Spec extends Shape {
  readonly kinds: readonly number[];
  /** Which of the kinds may be memory. */
  readonly rm: number;
  readonly columns: Columns;
  /** An imm8 follows the operands. */
  readonly immediate?: boolean;
}

const encodingsOf = ([, , , , ...encodings]: Columns): (Vex | Evex)[] => encodings;

function encode(name: string, spec: Spec): Encoding {
  const [pp, map, opcode, tuple, ...encodings] = spec.columns;
  return encoding(name, pp, map, opcode, tuple, encodings, spec);
}

/** The length (0, 1, 2) when the row has no other, else -1. */
function onlyLength(columns: Columns): number {
  const lengths = encodingsOf(columns).reduce((set, e) => set | e.lengths, 0);
  return (lengths & (lengths - 1)) === 0 ? 31 - Math.clz32(lengths) : -1;
}

/** The forms that a row has: for each length one with registers and one with memory. */
export function vectorForms(spec: Spec): Form[] {
  const { kinds, rm, columns } = spec;
  const e = encode('', spec);
  const flags = encodingsOf(columns).find((e): e is Evex => !e.vex)?.flags ?? 0;
  const rounding = flags & ER ? 'er' : flags & SAE ? 'sae' : undefined;
  const silent = kinds[rm] === V && kinds.filter((kind) => kind === V).length === 1 && onlyLength(columns) < 0;
  const forms: Form[] = [];
  for (const length of [0, 1, 2]) {
    const has = (set: number): boolean => ((set >> length) & 1) !== 0;
    const operands = kinds.map((kind) => className(kind, length));
    if (spec.immediate) operands.push('imm8');
    const mask = (e.memOptions & 7) !== 0;
    if (has(e.vexReg | e.evexReg)) {
      const zero = (e.regOptions & 0x80) !== 0;
      const form: Form = { operands, vex: has(e.vexReg), evex: has(e.evexReg), mask, zero };
      forms.push(rounding && has(e.rounding) && has(e.evexReg) ? { ...form, rounding } : form);
    }
    if (has(e.vexMem | e.evexMem)) {
      const bits = (e.tuple & WHOLE) !== 0 ? 128 << length : 8 << ((e.tuple >> (length << 2)) & 15);
      const memory = `m${bits}${silent ? '!' : ''}`;
      const zero = (e.memOptions & 0x80) !== 0;
      const form: Form = {
        operands: replaced(operands, rm, memory),
        vex: has(e.vexMem),
        evex: has(e.evexMem),
        mask,
        zero,
      };
      forms.push((e.memOptions & 0x10) !== 0 ? { ...form, broadcast: 8 << elementOf(e.tuple) } : form);
    }
  }
  return forms;
}

const replaced = (list: readonly string[], at: number, item: string): string[] =>
  list.map((old, i) => (i === at ? item : old));

/** Makes an error of the operands a method was called with. */
export type Fail = (...operands: number[]) => AssemblerError;

/** A row whose method `make` builds. @param only the length when there is no other, else -1 */
export function vectorRow<M>(spec: Spec, make: (e: Encoding, fail: Fail, only: number) => Emit): Row<M> {
  const forms = (): Form[] => vectorForms(spec);
  return row<M>((name) => {
    const fail: Fail = (...operands) => misfit(name, forms(), operands);
    return make(encode(name, spec), fail, onlyLength(spec.columns));
  }, forms);
}
