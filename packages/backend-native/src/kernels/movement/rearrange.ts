/** Ops that put elements elsewhere, as pieces. */

export { type Rearrangement, rearrangements } from '@espalier/lowering';
