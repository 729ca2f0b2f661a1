// Every TensorFlow op that is translated, by its name.
import type { Translator } from '../translation.ts';
import { convolutions } from './convolution.ts';
import { elementwise, passThrough } from './elementwise.ts';
import { gathers } from './gathers.ts';
import { images } from './image.ts';
import { products } from './products.ts';
import { reductions } from './reductions.ts';
import { shapes } from './shape.ts';
import { slices } from './slices.ts';

export const translators: ReadonlyMap<string, Translator> = new Map(
  Object.entries({
    ...convolutions,
    ...elementwise,
    ...gathers,
    ...images,
    ...passThrough,
    ...products,
    ...reductions,
    ...shapes,
    ...slices,
  }),
);
