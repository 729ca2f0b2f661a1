/** Functions of float32 vectors: each writes its code when it is called and gives what is left to write where its result is used. */
export { erf } from './erf.ts';
export { exp, expm1, expOfNegative } from './exp.ts';
export { gelu, geluTanh } from './gelu.ts';
export { log, log1p } from './log.ts';
export { sigmoid } from './sigmoid.ts';
export { tanh } from './tanh.ts';
