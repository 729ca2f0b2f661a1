/** What the tables say about a vector instruction: its VEX and EVEX encodings, in the words of the Intel SDM. */
import { VL } from '../features.ts';

/** pp: the mandatory prefix. */
export const NP = 0;
export const P66 = 1;
export const F3 = 2;
export const F2 = 3;

/** Opcode maps 0F, 0F 38, 0F 3A, and AVX512-FP16's two. */
export const M1 = 1;
export const M2 = 2;
export const M3 = 3;
export const M5 = 5;
export const M6 = 6;

export const W0 = 0;
export const W1 = 1;

/** Sets of lengths: bit L is set where 128 << L bits exist. Scalars count as 128. */
export const X = 1;
export const Y = 2;
export const Z = 4;
export const XY = X | Y;
export const YZ = Y | Z;
export const XYZ = X | Y | Z;

/**
 * What a memory operand covers (Intel's tuple type): log2 of its bytes at 128, 256 and 512 bits, four bits each, then log2
 * of the element that can be broadcast, or 15.
 */
const tuple = (x: number, y: number, z: number, element = 15): number => x | (y << 4) | (z << 8) | (element << 12);
/** log2 of the bytes of the element that BROADCAST repeats, or 15. */
export const elementOf = (tuple: number): number => (tuple >> 12) & 15;
export const fixed = (log2: number): number => tuple(log2, log2, log2);
/** There is no memory form. */
export const NONE = -1;
export const FULL = tuple(4, 5, 6);
export const FULL16 = tuple(4, 5, 6, 1);
export const FULL32 = tuple(4, 5, 6, 2);
export const FULL64 = tuple(4, 5, 6, 3);
export const HALF = tuple(3, 4, 5);
export const HALF16 = tuple(3, 4, 5, 1);
export const HALF32 = tuple(3, 4, 5, 2);
export const QUARTER = tuple(2, 3, 4);
export const QUARTER16 = tuple(2, 3, 4, 1);
export const EIGHTH = tuple(1, 2, 3);
export const DUP = tuple(3, 5, 6);
export const B8 = fixed(0);
export const B16 = fixed(1);
export const B32 = fixed(2);
export const B64 = fixed(3);
export const B128 = fixed(4);
export const B256 = fixed(5);
/** As many elements as the mask says: the memory is written as the whole vector, displacements count elements. */
export const WHOLE = 1 << 16;
export const PACKED8 = B8 | WHOLE;
export const PACKED16 = B16 | WHOLE;
export const PACKED32 = B32 | WHOLE;
export const PACKED64 = B64 | WHOLE;

/** What an EVEX form takes beside a mask with zeroing. */
export const ER = 1;
export const SAE = 2;
export const NOZERO = 4;
export const NOMASK = 8;

export interface Vex {
  readonly vex: true;
  readonly w: number;
  readonly lengths: number;
  readonly features: number;
  readonly features256: number;
  /** The memory form exists in EVEX alone. */
  readonly registersOnly: boolean;
}

export interface Evex {
  readonly vex: false;
  readonly w: number;
  readonly lengths: number;
  readonly features: number;
  readonly flags: number;
}

/** The VEX encoding of a row: W, lengths, the feature it needs, and the one it needs at 256 bits where that differs. */
export const vex = (w: number, lengths: number, features: number, features256 = features): Vex => ({
  vex: true,
  w,
  lengths,
  features,
  features256,
  registersOnly: false,
});

/** The same for a row whose memory form needs EVEX. */
export const vexRegisters = (w: number, lengths: number, features: number, features256 = features): Vex => ({
  ...vex(w, lengths, features, features256),
  registersOnly: true,
});

/** The EVEX encoding of a row: W, lengths, features (AVX512VL is added below 512 bits), and what it takes. */
export const evex = (w: number, lengths: number, features: number, flags = 0): Evex => ({
  vex: false,
  w,
  lengths,
  features,
  flags,
});

/** An instruction's encodings, as the emitters below read them. */
export interface Encoding {
  readonly name: string;
  readonly map: number;
  readonly opcode: number;
  /** log2 of the memory operand's bytes, four bits a length; then of the element for BROADCAST. */
  readonly tuple: number;
  readonly vexPrefix: number;
  readonly vexReg: number;
  readonly vexMem: number;
  readonly vexFeatures: number;
  readonly vexFeatures256: number;
  readonly evexPrefix: number;
  readonly evexReg: number;
  readonly evexMem: number;
  readonly evexFeatures: number;
  /** The feature that lengths below 512 need: 0 for scalars. */
  readonly evexFeaturesShort: number;
  /** Options that the register and the memory form take. */
  readonly regOptions: number;
  readonly memOptions: number;
  /** Lengths at which rounding can be said. */
  readonly rounding: number;
}

/** Which forms a row has. */
export interface Shape {
  /** The memory operand is written: `{z}` makes no sense. */
  readonly stores?: boolean;
  /** There is no register form. */
  readonly memoryOnly?: boolean;
}

export function encoding(
  name: string,
  pp: number,
  map: number,
  opcode: number,
  tuple: number,
  encodings: readonly (Vex | Evex)[],
  { stores = false, memoryOnly = false }: Shape = {},
): Encoding {
  const v = encodings.find((e): e is Vex => e.vex);
  const e = encodings.find((e): e is Evex => !e.vex);
  const flags = e?.flags ?? NOMASK;
  const mask = (flags & NOMASK) !== 0 ? 0 : 0x507;
  const zero = mask === 0 || (flags & NOZERO) !== 0 ? 0 : 0x80;
  const scalar = e?.lengths === X;
  return {
    name,
    map,
    opcode,
    tuple,
    vexPrefix: ((v?.w ?? 0) << 7) | pp,
    vexReg: memoryOnly ? 0 : (v?.lengths ?? 0),
    vexMem: tuple === NONE || v?.registersOnly ? 0 : (v?.lengths ?? 0),
    vexFeatures: v?.features ?? 0,
    vexFeatures256: v?.features256 ?? 0,
    evexPrefix: ((e?.w ?? 0) << 7) | pp,
    evexReg: memoryOnly ? 0 : (e?.lengths ?? 0),
    evexMem: tuple === NONE ? 0 : (e?.lengths ?? 0),
    evexFeatures: e?.features ?? 0,
    evexFeaturesShort: (e?.features ?? 0) | (scalar ? 0 : VL),
    regOptions: mask | zero | (flags & ER ? 0x4070 : 0) | (flags & SAE ? 0x2010 : 0),
    memOptions: mask | (stores ? 0 : zero) | (elementOf(tuple) === 15 ? 0 : 0x1010),
    rounding: scalar ? X : Z,
  };
}
