/**
 * Dimensions: a number, or an integer expression over named symbols, written out in one canonical form
 * (`batch`, `batch*seq+1`, `floor(h+1,2)`), so that equal text means equal value.
 *
 * Expressions are polynomials with integer coefficients whose atoms are symbols and the functions below.
 * Symbols stand for sizes: integers >= 0.
 */

import { type Assumption, assume } from './assumptions.ts';
import { EspalierError } from './errors.ts';

/** A size: a non-negative integer, or the canonical text of an expression over symbols. */
export type Dim = number | string;

/** A value for every symbol. */
export type Binding = Readonly<Record<string, number>>;

const functions = {
  /** floor(a / b) */
  floor: (a: number, b: number) => Math.floor(a / b),
  /** a - b * floor(a / b) */
  mod: (a: number, b: number) => a - b * Math.floor(a / b),
  max: Math.max,
  min: Math.min,
  /** The extent of two broadcast dimensions; throws where they do not fit. */
  broadcast: (a: number, b: number) => {
    if (a === b || b === 1) return a;
    if (a === 1) return b;
    throw new EspalierError('SHAPE_MISMATCH', `dimensions ${a} and ${b} cannot be broadcast together`);
  },
} as const;
type FunctionName = keyof typeof functions;

type Atom = { readonly text: string } & (
  | { readonly symbol: string }
  | { readonly call: FunctionName; readonly a: Poly; readonly b: Poly }
);
/** A product of atoms (sorted by text, repeated for powers) times a coefficient. */
interface Term {
  readonly text: string;
  readonly atoms: readonly Atom[];
  readonly coefficient: number;
}
/** A sum of terms sorted by text; the constant term has no atoms and the empty text, and comes last. */
type Poly = readonly Term[];

function safe(value: number): number {
  if (!Number.isSafeInteger(value)) {
    throw new EspalierError('LIMIT', `a dimension of ${value} exceeds 2^53: the shape is not one that can exist`);
  }
  return value === 0 ? 0 : value;
}

const constant = (value: number): Poly => (value === 0 ? [] : [{ text: '', atoms: [], coefficient: safe(value) }]);
const fromAtom = (atom: Atom): Poly => [{ text: atom.text, atoms: [atom], coefficient: 1 }];

function collect(terms: Iterable<Term>): Poly {
  const sums = new Map<string, Term>();
  for (const term of terms) {
    const sum = sums.get(term.text);
    sums.set(term.text, sum ? { ...term, coefficient: safe(sum.coefficient + term.coefficient) } : term);
  }
  return [...sums.values()]
    .filter((term) => term.coefficient !== 0)
    .sort((a, b) => (a.text === '' ? 1 : b.text === '' ? -1 : a.text < b.text ? -1 : 1));
}

const add = (a: Poly, b: Poly): Poly => collect([...a, ...b]);
const scale = (a: Poly, k: number): Poly => collect(a.map((t) => ({ ...t, coefficient: safe(t.coefficient * k) })));

/** Longer expressions come only from files made to be slow: no real shape is so large. */
const MAX_TEXT = 4096;
const MAX_PRODUCTS = 10_000;

function multiply(a: Poly, b: Poly): Poly {
  if (a.length * b.length > MAX_PRODUCTS)
    throw new EspalierError('LIMIT', `a dimension has more than ${MAX_PRODUCTS} terms`);
  const terms: Term[] = [];
  for (const x of a) {
    for (const y of b) {
      const atoms = [...x.atoms, ...y.atoms].sort((p, q) => (p.text < q.text ? -1 : 1));
      const text = atoms.map((atom) => atom.text).join('*');
      terms.push({ text, atoms, coefficient: safe(x.coefficient * y.coefficient) });
    }
  }
  return collect(terms);
}

function print(poly: Poly): string {
  let text = '';
  for (const { text: atoms, coefficient } of poly) {
    const size = Math.abs(coefficient);
    const body = atoms === '' ? `${size}` : size === 1 ? atoms : `${size}*${atoms}`;
    text += coefficient < 0 ? `-${body}` : text === '' ? body : `+${body}`;
  }
  return text === '' ? '0' : text;
}

function checkLength(text: string): void {
  if (text.length > MAX_TEXT)
    throw new EspalierError('LIMIT', `a dimension expression is longer than ${MAX_TEXT} characters`);
}

const asNumber = (poly: Poly): number | undefined =>
  poly.length === 0 ? 0 : poly.length === 1 && poly[0]!.text === '' ? poly[0]!.coefficient : undefined;

/** A bound that holds for all symbols >= 0, or -Infinity where none is seen. */
function lowerBound(poly: Poly): number {
  let bound = 0;
  for (const { atoms, coefficient } of poly) {
    if (atoms.length === 0) bound += coefficient;
    else if (coefficient < 0 || !atoms.every((atom) => atomLowerBound(atom) >= 0)) return Number.NEGATIVE_INFINITY;
  }
  return bound;
}

function atomLowerBound(atom: Atom): number {
  if ('symbol' in atom) return 0;
  const [a, b] = [lowerBound(atom.a), lowerBound(atom.b)];
  if (atom.call === 'max') return Math.max(a, b);
  if (atom.call === 'min' || atom.call === 'broadcast') return Math.min(a, b);
  if (atom.call === 'mod') return b > 0 ? 0 : Number.NEGATIVE_INFINITY;
  return a >= 0 && b > 0 ? 0 : Number.NEGATIVE_INFINITY;
}

/** The quotient where `b` divides `a` for every binding, else undefined. */
function exactQuotient(a: Poly, b: Poly): Poly | undefined {
  if (b.length !== 1) return print(a) === print(b) ? constant(1) : undefined;
  const [divisor] = b;
  const terms: Term[] = [];
  for (const term of a) {
    if (term.coefficient % divisor!.coefficient !== 0) return undefined;
    const atoms = [...term.atoms];
    for (const atom of divisor!.atoms) {
      const at = atoms.findIndex((x) => x.text === atom.text);
      if (at < 0) return undefined;
      atoms.splice(at, 1);
    }
    terms.push({
      text: atoms.map((x) => x.text).join('*'),
      atoms,
      coefficient: term.coefficient / divisor!.coefficient,
    });
  }
  return collect(terms);
}

function call(name: FunctionName, a: Poly, b: Poly): Poly {
  const [x, y] = [asNumber(a), asNumber(b)];
  if ((name === 'floor' || name === 'mod') && y === 0) {
    throw new EspalierError('BAD_GRAPH', `a dimension divides ${print(a)} by zero`);
  }
  if (x !== undefined && y !== undefined) return constant(functions[name](x, y));
  if (name === 'floor') {
    const quotient = exactQuotient(a, b);
    if (quotient) return quotient;
  } else if (name === 'mod') {
    if (exactQuotient(a, b)) return [];
  } else {
    if (print(a) === print(b)) return a;
    if (name === 'broadcast') {
      if (x === 1) return b;
      if (y === 1) return a;
      if (isBroadcastOf(a, b)) return a;
      if (isBroadcastOf(b, a)) return b;
      const isFirst = (x !== undefined && x > 1) || isClamped(b, a);
      if (isFirst || (y !== undefined && y > 1) || isClamped(a, b)) {
        assume({ kind: 'broadcast', a: toDim(a), b: toDim(b) });
        return isFirst ? a : b;
      }
    } else {
      const aIsLarger = lowerBound(add(a, scale(b, -1))) >= 0;
      if (aIsLarger || lowerBound(add(b, scale(a, -1))) >= 0) return aIsLarger === (name === 'max') ? a : b;
    }
    if (print(b) < print(a)) [a, b] = [b, a];
  }
  return fromAtom({ text: `${name}(${print(a)},${print(b)})`, call: name, a, b });
}

function onlyAtom(value: Poly): Atom | undefined {
  const [term] = value;
  return value.length === 1 && term!.coefficient === 1 && term!.atoms.length === 1 ? term!.atoms[0] : undefined;
}

/** True for min(k, whole), k >= 1: what is left of a table of k rows. It broadcasts with `whole` only if it is that, or 1. */
function isClamped(value: Poly, whole: Poly): boolean {
  const atom = onlyAtom(value);
  if (!atom || !('call' in atom) || atom.call !== 'min') return false;
  const isLimit = (p: Poly): boolean => (asNumber(p) ?? 0) >= 1;
  const text = print(whole);
  return (isLimit(atom.a) && print(atom.b) === text) || (isLimit(atom.b) && print(atom.a) === text);
}

/** True for broadcast(part, x). */
function isBroadcastOf(value: Poly, part: Poly): boolean {
  const atom = onlyAtom(value);
  if (!atom || !('call' in atom) || atom.call !== 'broadcast') return false;
  return [atom.a, atom.b].some((p) => print(p) === print(part));
}

const identifier = /^[A-Za-z_][A-Za-z0-9_.]*/;
const parsed = new Map<string, Poly>();

function poly(dim: Dim): Poly {
  if (typeof dim === 'number') return constant(dim);
  let result = parsed.get(dim);
  if (!result) {
    result = new Parser(dim).parse();
    // Texts come from files too: the cache must not grow without end.
    if (parsed.size > 20_000) parsed.clear();
    parsed.set(dim, result);
  }
  return result;
}

/** Recursive descent over: sum = product {(+|-) product}; product = factor {* factor}; factor = number | symbol | f(sum,sum) | (sum) | -factor */
class Parser {
  private at = 0;
  private depth = 0;
  private readonly text: string;

  constructor(text: string) {
    this.text = text;
    checkLength(text);
  }

  parse(): Poly {
    const result = this.sum();
    if (this.peek() !== '') this.fail();
    return result;
  }

  private fail(): never {
    throw new EspalierError('BAD_GRAPH', `"${this.text}" is not a dimension expression (at character ${this.at})`);
  }

  private peek(): string {
    while (this.text[this.at] === ' ') this.at++;
    return this.text[this.at] ?? '';
  }

  private take(char: string): boolean {
    if (this.peek() !== char) return false;
    this.at++;
    return true;
  }

  private sum(): Poly {
    if (++this.depth > 64) throw new EspalierError('LIMIT', 'a dimension expression nests deeper than 64');
    let result = this.product();
    for (;;) {
      if (this.take('+')) result = add(result, this.product());
      else if (this.take('-')) result = add(result, scale(this.product(), -1));
      else break;
    }
    this.depth--;
    return result;
  }

  private product(): Poly {
    let result = this.factor();
    while (this.take('*')) result = multiply(result, this.factor());
    return result;
  }

  private factor(): Poly {
    if (this.take('-')) return scale(this.factor(), -1);
    if (this.take('(')) {
      const inner = this.sum();
      if (!this.take(')')) this.fail();
      return inner;
    }
    this.peek();
    const rest = this.text.slice(this.at);
    const digits = /^\d+/.exec(rest)?.[0];
    if (digits) {
      this.at += digits.length;
      return constant(safe(Number(digits)));
    }
    const name = identifier.exec(rest)?.[0];
    if (!name) this.fail();
    this.at += name.length;
    if (!this.take('(')) return fromAtom({ text: name, symbol: name });
    if (!Object.hasOwn(functions, name)) this.fail();
    const a = this.sum();
    if (!this.take(',')) this.fail();
    const b = this.sum();
    if (!this.take(')')) this.fail();
    return call(name as FunctionName, a, b);
  }
}

function toDim(value: Poly): Dim {
  const number = asNumber(value);
  if (number !== undefined) return number;
  const text = print(value);
  checkLength(text);
  parsed.set(text, value);
  return text;
}

const none: readonly string[] = [];
const symbolsOf = new WeakMap<Poly, readonly string[]>();

/** Arithmetic on dimensions; every function returns the canonical form. Throws `LIMIT` beyond 2^53. */
export const dim = {
  /** The canonical form of a text; throws `BAD_GRAPH` when it is no expression. */
  parse: (text: string): Dim => toDim(poly(text)),
  /** True when `text` can stand alone as a symbol. */
  isSymbol: (text: string): boolean => identifier.exec(text)?.[0] === text,
  add: (a: Dim, b: Dim): Dim =>
    typeof a === 'number' && typeof b === 'number' ? safe(a + b) : toDim(add(poly(a), poly(b))),
  sub: (a: Dim, b: Dim): Dim =>
    typeof a === 'number' && typeof b === 'number' ? safe(a - b) : toDim(add(poly(a), scale(poly(b), -1))),
  mul: (a: Dim, b: Dim): Dim => {
    if (typeof a === 'number' && typeof b === 'number') return safe(a * b);
    if (a === 1 || b === 1) return a === 1 ? b : a;
    return toDim(multiply(poly(a), poly(b)));
  },
  /** floor(a / b) */
  floorDiv: (a: Dim, b: Dim): Dim => toDim(call('floor', poly(a), poly(b))),
  /** ceil(a / b) */
  ceilDiv: (a: Dim, b: Dim): Dim => toDim(scale(call('floor', scale(poly(a), -1), poly(b)), -1)),
  mod: (a: Dim, b: Dim): Dim => toDim(call('mod', poly(a), poly(b))),
  max: (a: Dim, b: Dim): Dim => toDim(call('max', poly(a), poly(b))),
  min: (a: Dim, b: Dim): Dim => toDim(call('min', poly(a), poly(b))),
  /** The extent of two broadcast dimensions; throws `SHAPE_MISMATCH` where two numbers do not fit. */
  broadcast: (a: Dim, b: Dim): Dim => {
    if (a === b || b === 1) return a;
    return a === 1 ? b : toDim(call('broadcast', poly(a), poly(b)));
  },
  /** The product of a shape, or of a part of it. */
  product: (shape: readonly Dim[], from = 0, to = shape.length): Dim => {
    let result: Dim = 1;
    for (let i = from; i < to; i++) result = dim.mul(result, shape[i]!);
    return result;
  },
  /** True or false where it holds for every binding; undefined where it depends. */
  equal: (a: Dim, b: Dim): boolean | undefined => {
    if (a === b) return true;
    if (typeof a === 'number' && typeof b === 'number') return false;
    const difference = add(poly(a), scale(poly(b), -1));
    const number = asNumber(difference);
    if (number !== undefined) return number === 0;
    return lowerBound(difference) > 0 || lowerBound(scale(difference, -1)) > 0 ? false : undefined;
  },
  /** False where they certainly differ; that they do not is assumed where it depends. */
  mayEqual: (a: Dim, b: Dim): boolean => {
    const equal = dim.equal(a, b);
    if (equal === undefined) assume({ kind: 'equal', a, b });
    return equal !== false;
  },
  /** Whether an assumption holds under a binding of all its symbols. */
  holds: ({ kind, a, b }: Assumption, at: Binding): boolean => {
    const [x, y] = [dim.evaluate(a, at), dim.evaluate(b, at)];
    return x === y || (kind === 'broadcast' && (x === 1 || y === 1));
  },
  /** The smallest value that is certain, -Infinity where none is. */
  lowerBound: (a: Dim): number => lowerBound(poly(a)),
  /** Every symbol in the dimension. */
  symbols: (a: Dim): readonly string[] => {
    if (typeof a === 'number') return none;
    const known = symbolsOf.get(poly(a));
    if (known) return known;
    const found = new Set<string>();
    const visit = (p: Poly): void => {
      for (const atom of p.flatMap((term) => term.atoms)) {
        if ('symbol' in atom) found.add(atom.symbol);
        else {
          visit(atom.a);
          visit(atom.b);
        }
      }
    };
    visit(poly(a));
    const symbols = [...found];
    symbolsOf.set(poly(a), symbols);
    return symbols;
  },
  /** The value under a binding; throws `BAD_INPUT` naming the first symbol that has none. */
  evaluate: (a: Dim, at: Binding): number => {
    if (typeof a === 'number') return a;
    // Most are symbols alone.
    const value = Object.hasOwn(at, a) ? at[a] : undefined;
    return value === undefined ? evaluate(poly(a), at) : safe(value);
  },
  /** Every symbol that `at` has a value for put in its place, the others left. */
  substitute: (a: Dim, at: Readonly<Record<string, Dim>>): Dim =>
    typeof a === 'number' ? a : toDim(substitute(poly(a), at)),
};

function evaluate(p: Poly, at: Binding): number {
  let sum = 0;
  for (const { atoms, coefficient } of p) {
    let product = coefficient;
    for (const atom of atoms) {
      if ('symbol' in atom) {
        const value = Object.hasOwn(at, atom.symbol) ? at[atom.symbol] : undefined;
        if (value === undefined) throw new EspalierError('BAD_INPUT', `the dimension "${atom.symbol}" has no value`);
        product *= value;
      } else {
        const [a, b] = [evaluate(atom.a, at), evaluate(atom.b, at)];
        if (b === 0 && (atom.call === 'floor' || atom.call === 'mod')) {
          throw new EspalierError('SHAPE_MISMATCH', `the dimension ${atom.text} divides by zero`);
        }
        product *= functions[atom.call](a, b);
      }
    }
    sum += product;
  }
  return safe(sum);
}

function substitute(p: Poly, at: Readonly<Record<string, Dim>>): Poly {
  let sum: Poly = [];
  for (const { atoms, coefficient } of p) {
    let product = constant(coefficient);
    for (const atom of atoms) {
      let factor: Poly;
      if ('symbol' in atom) factor = Object.hasOwn(at, atom.symbol) ? poly(at[atom.symbol]!) : fromAtom(atom);
      else factor = call(atom.call, substitute(atom.a, at), substitute(atom.b, at));
      product = multiply(product, factor);
    }
    sum = add(sum, product);
  }
  return sum;
}
