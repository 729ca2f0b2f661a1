/** Functions of float32 vectors as emitters: each computes in place and clobbers the temporaries that it is given. */
export { ERF_TEMPORARIES, emitErf } from './erf.ts';
export { EXP_TEMPORARIES, emitExp, emitExpOfNegative } from './exp.ts';
export { EXPM1_TEMPORARIES, emitExpm1 } from './expm1.ts';
export { emitGelu, emitGeluTanh, GELU_TANH_TEMPORARIES, GELU_TEMPORARIES } from './gelu.ts';
export { emitLog, emitLog1p, LOG_TEMPORARIES } from './log.ts';
export { emitSigmoid, SIGMOID_TEMPORARIES } from './sigmoid.ts';
export { emitCosine, emitSine, SINE_TEMPORARIES } from './sine.ts';
export { emitTanh, TANH_TEMPORARIES } from './tanh.ts';
export { type Memory, Vectors } from './vectors.ts';
