/** Numbers with a purpose that TypeScript checks and JavaScript never sees. */

declare const flavor: unique symbol;
/** A number with a purpose: plain numbers are assignable to it, numbers with another purpose are not. */
export type Flavor<Name extends string> = number & { readonly [flavor]?: Name };
