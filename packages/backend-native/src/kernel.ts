/** A row of this backend's table. */

import type { Call, Constants, Kernel } from '@espalier/core';
import type { Engine } from './list.ts';
import type { NativeProgram } from './program.ts';

/** A kernel whose `prepare` is given the engine that will run what it emits. */
export interface NativeKernel extends Omit<Kernel<NativeProgram>, 'prepare' | 'evaluate'> {
  prepare(call: Call, constants: Constants, engine: Engine): NativeProgram | Promise<NativeProgram>;
}
