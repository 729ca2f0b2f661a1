/** Products as batches of matrices, cut into units. */

export { type Geometry, geometry, type Partition, partition } from '@espalier/lowering';
