/** Walks over operands that broadcast together. */

export { checkFits, walk } from '@espalier/lowering';
