// What other programs reuse of this one: it runs in a page too.
export { type Encoder, embed } from './encoder.ts';
export { nearest } from './search.ts';
export { sentences } from './sentences.ts';
export { createTokenizer, type Vocabulary } from './tokenizer.ts';
