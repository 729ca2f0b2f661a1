/** Tiles (AMX). The number is pp. */
import { AMX_BF16, AMX_FP16, AMX_INT8 } from '../features.ts';
import { tileConfig, tileLoad, tileProduct, tileRelease, tileStore, tileZero } from '../shapes/amx.ts';

// biome-ignore format: columns
export const tiles = {
  /** Loads the tiles' shapes: 64 bytes, palette 1 first. */
  ldtilecfg: tileConfig(0),
  /** Stores the tiles' shapes. */
  sttilecfg: tileConfig(1),
  /** Loads a tile; the index of the address is the bytes between rows. */
  tileloadd: tileLoad(3),
  /** The same, without keeping the lines near. */
  tileloaddt1: tileLoad(1),
  /** Stores a tile; the index of the address is the bytes between rows. */
  tilestored: tileStore(2),
  /** Clears a tile. */
  tilezero: tileZero(),
  /** Gives all tiles back. */
  tilerelease: tileRelease(),

  /** dst += sums of four int8 of a times int8 of b. */
  tdpbssd: tileProduct(3, 0x5e, AMX_INT8),
  /** dst += sums of four int8 of a times uint8 of b. */
  tdpbsud: tileProduct(2, 0x5e, AMX_INT8),
  /** dst += sums of four uint8 of a times int8 of b. */
  tdpbusd: tileProduct(1, 0x5e, AMX_INT8),
  /** dst += sums of four uint8 of a times uint8 of b. */
  tdpbuud: tileProduct(0, 0x5e, AMX_INT8),
  /** dst += sums of two bfloat16 products, in single precision. */
  tdpbf16ps: tileProduct(2, 0x5c, AMX_BF16),
  /** dst += sums of two half-precision products, in single precision. */
  tdpfp16ps: tileProduct(3, 0x5c, AMX_FP16),
};
