/**
 * Regular expressions in the syntax of RE2, matched in time proportional to pattern times text: JavaScript's own backtrack,
 * and a pattern or a text from a stranger could hold the thread for ever. Thompson's construction and simulation
 * (CACM 11(6), 1968). Only whole texts are matched, so captures, and whether a repetition is greedy, do not matter.
 */

import { UnsupportedError } from '@espalier/core';

type Test = (code: number) => boolean;
type Assertion = 'start' | 'end' | 'lineStart' | 'lineEnd' | 'word' | 'notWord';
type Tree =
  | { readonly test: Test }
  | { readonly assert: Assertion }
  | { readonly all: readonly Tree[] }
  | { readonly any: readonly Tree[] }
  | { readonly repeat: Tree; readonly min: number; readonly max: number };

/** One state: takes a character, or goes on without one (to several states, or where an assertion holds). */
interface State {
  readonly test?: Test;
  readonly assert?: Assertion;
  readonly next: readonly number[];
}

/** A compiled pattern. State 0 accepts. */
export interface Regex {
  readonly states: readonly State[];
  readonly start: number;
}

const maxLength = 10_000;
const maxStates = 10_000;
const maxDepth = 200;
/** As in RE2. */
const maxRepeat = 1000;

const ranges = (text: string): Test => {
  const codes = Array.from(text, (char) => char.codePointAt(0)!);
  return (code) => codes.some((low, i) => i % 2 === 0 && low <= code && code <= codes[i + 1]!);
};
const isWord = ranges('09AZ__az');
const perl: Readonly<Record<string, Test>> = { d: ranges('09'), s: ranges('\t\n\f\r  '), w: isWord };
const posix: Readonly<Record<string, Test>> = {
  alnum: ranges('09AZaz'),
  alpha: ranges('AZaz'),
  ascii: ranges('\0\x7f'),
  blank: ranges('\t\t  '),
  cntrl: ranges('\0\x1f\x7f\x7f'),
  digit: ranges('09'),
  graph: ranges('!~'),
  lower: ranges('az'),
  print: ranges(' ~'),
  punct: ranges('!/:@[`{~'),
  space: ranges('\t\r  '),
  upper: ranges('AZ'),
  word: isWord,
  xdigit: ranges('09AFaf'),
};
const controls: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const assertions: Readonly<Record<string, Assertion>> = { A: 'start', z: 'end', b: 'word', B: 'notWord' };

const not =
  (test: Test): Test =>
  (code) =>
    !test(code);

/** The same set, letters of either case. */
function folded(test: Test): Test {
  return (code) => {
    const char = String.fromCodePoint(code);
    // Letters whose other case is more than one letter have none here.
    const hasFolded = (other: string): boolean => other.length === char.length && test(other.codePointAt(0)!);
    return test(code) || hasFolded(char.toLowerCase()) || hasFolded(char.toUpperCase());
  };
}

interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly U: boolean;
}

class Parser {
  private at = 0;
  private depth = 0;
  private flags: Flags = { i: false, m: false, s: false, U: false };
  private readonly pattern: string;

  constructor(pattern: string) {
    this.pattern = pattern;
  }

  parse(): Tree {
    const tree = this.alternatives();
    return this.at === this.pattern.length ? tree : this.fail('has a ")" too many');
  }

  private fail(what: string): never {
    throw new UnsupportedError(`the pattern /${this.pattern.slice(0, 200)}/ ${what} (at ${this.at})`);
  }

  /** What follows, where it matches `expected` (which is sticky), is passed over. */
  private take(expected: RegExp): RegExpExecArray | undefined {
    expected.lastIndex = this.at;
    const found = expected.exec(this.pattern);
    if (found) this.at += found[0].length;
    return found ?? undefined;
  }

  private alternatives(): Tree {
    if (++this.depth > maxDepth) this.fail(`nests deeper than ${maxDepth}`);
    const outer = this.flags;
    const any = [this.sequence()];
    while (this.take(/\|/y)) any.push(this.sequence());
    this.flags = outer;
    this.depth--;
    return any.length === 1 ? any[0]! : { any };
  }

  private sequence(): Tree {
    const all: Tree[] = [];
    while (this.at < this.pattern.length && !'|)'.includes(this.pattern[this.at]!)) {
      const quoted = this.take(/\\Q(.*?)(\\E|$)/suy);
      const atoms = quoted ? Array.from(quoted[1]!, (char) => this.literal(char.codePointAt(0)!)) : [this.atom()];
      const last = atoms.pop();
      all.push(...atoms);
      if (last) all.push(this.repeated(last));
    }
    return { all };
  }

  private repeated(repeat: Tree): Tree {
    const found = this.take(/([*+?]|\{(\d+)(,?)(\d*)\})\??/y);
    if (!found) return repeat;
    const [, sign, from, comma, to] = found;
    const min = from === undefined ? (sign === '+' ? 1 : 0) : Number(from);
    const upTo = to ? Number(to) : Number.POSITIVE_INFINITY;
    const max = from === undefined ? (sign === '?' ? 1 : Number.POSITIVE_INFINITY) : comma ? upTo : min;
    const isTooLarge = min > maxRepeat || (max !== Number.POSITIVE_INFINITY && max > maxRepeat);
    if (isTooLarge || max < min) this.fail(`has the repetition ${found[0]}`);
    if (/[*+?]/y.test(this.pattern.slice(this.at, this.at + 1))) this.fail('repeats a repetition');
    return { repeat, min, max };
  }

  private atom(): Tree {
    if (this.take(/\(/y)) return this.group();
    if (this.take(/\[/y)) return { test: this.bracket() };
    if (this.take(/\./y)) return { test: this.flags.s ? () => true : (code) => code !== 10 };
    if (this.take(/\^/y)) return { assert: this.flags.m ? 'lineStart' : 'start' };
    if (this.take(/\$/y)) return { assert: this.flags.m ? 'lineEnd' : 'end' };
    const assertion = this.take(/\\([AzbB])/y);
    if (assertion) return { assert: assertions[assertion[1]!]! };
    if (this.take(/[*+?]/y)) this.fail('repeats nothing');
    const set = this.set();
    return set ? { test: set } : this.literal(this.character());
  }

  private group(): Tree {
    if (!this.take(/\?/y)) return this.close(this.alternatives());
    if (this.take(/P?<\w+>/y)) return this.close(this.alternatives());
    const flags = this.take(/([imsU]*)(?:-([imsU]+))?([:)])/y);
    if (!flags) this.fail('has a group that RE2 does not know');
    const [, on, off = '', end] = flags;
    const outer = this.flags;
    const changed = { ...outer };
    for (const flag of on!) changed[flag as keyof Flags] = true;
    for (const flag of off) changed[flag as keyof Flags] = false;
    this.flags = changed;
    if (end === ')') return { all: [] };
    const tree = this.close(this.alternatives());
    this.flags = outer;
    return tree;
  }

  private close(tree: Tree): Tree {
    return this.take(/\)/y) ? tree : this.fail('lacks a ")"');
  }

  private literal(code: number): Tree {
    const test: Test = (other) => other === code;
    return { test: this.flags.i ? folded(test) : test };
  }

  /** A class by name: `\d`, `\pL`, and in brackets `[:alpha:]`. */
  private set(): Test | undefined {
    const short = this.take(/\\([dswDSW])/y);
    if (short) {
      const test = perl[short[1]!.toLowerCase()]!;
      return short[1]! === short[1]!.toLowerCase() ? test : not(test);
    }
    const category = this.take(/\\([pP])(?:([LMNPSZC])|\{(\^?)([LMNPSZC][a-z]?)\})/y);
    if (!category) return undefined;
    const [, sign, letter, caret, name] = category;
    if (!/^(L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|S[mcko]?|Z[slp]?|C[cfoas]?)$/.test(letter ?? name!))
      this.fail('names a class that RE2 does not know');
    const expression = new RegExp(`\\p{${letter ?? name}}`, 'u');
    const inCategory: Test = (code) => expression.test(String.fromCodePoint(code));
    const test = this.flags.i ? folded(inCategory) : inCategory;
    return (sign === 'P') === (caret === '^') ? test : not(test);
  }

  private bracket(): Test {
    const isNegated = this.take(/\^/y) !== undefined;
    const tests: Test[] = [];
    do {
      const named = this.take(/\[:(\^?)(\w+):\]/y);
      if (named) {
        const test = Object.hasOwn(posix, named[2]!) ? posix[named[2]!]! : this.fail(`has the class ${named[0]}`);
        tests.push(named[1] ? not(test) : test);
        continue;
      }
      const set = this.set();
      if (set) {
        tests.push(set);
        continue;
      }
      const low = this.character();
      const high = this.take(/-(?!\])/y) ? this.character() : low;
      if (high < low) this.fail('has a range that ends before it begins');
      tests.push((code) => low <= code && code <= high);
    } while (!this.take(/\]/y));
    const any: Test = (code) => tests.some((test) => test(code));
    const test = this.flags.i ? folded(any) : any;
    return isNegated ? not(test) : test;
  }

  /** One character, escaped or not, as a code point. */
  private character(): number {
    const found = this.take(
      /\\(?:x\{([\da-fA-F]{1,6})\}|x([\da-fA-F]{2})|(0[0-7]{0,2})|([afnrtv])|([^\w\s]))|([^\\])/suy,
    );
    if (!found) this.fail(this.at < this.pattern.length ? 'has an escape that RE2 does not know' : 'ends too early');
    const [, long, short, octal, control, punctuation, plain] = found;
    if (octal !== undefined) return Number.parseInt(octal, 8);
    if (control !== undefined) return controls[control]!;
    const hex = long ?? short;
    const code = hex === undefined ? (punctuation ?? plain)!.codePointAt(0)! : Number.parseInt(hex, 16);
    return code <= 0x10ffff ? code : this.fail('has a character beyond Unicode');
  }
}

/** @throws UnsupportedError for what is not RE2's syntax, or more than it is given room for */
export function compileRegex(pattern: string): Regex {
  if (pattern.length > maxLength) throw new UnsupportedError(`a pattern is longer than ${maxLength} characters`);
  const states: State[] = [{ next: [] }];
  let room = maxStates;
  const push = (state: State): number => states.push(state) - 1;
  /** Adds the states of `tree`, which go on to `next`, and gives the first. */
  const emit = (tree: Tree, next: number): number => {
    // Counted here, since a repetition of nothing takes time though no state.
    if (room-- === 0)
      throw new UnsupportedError(`the pattern /${pattern.slice(0, 200)}/ needs more than ${maxStates} states`);
    if ('test' in tree) return push({ test: tree.test, next: [next] });
    if ('assert' in tree) return push({ assert: tree.assert, next: [next] });
    if ('all' in tree) return tree.all.reduceRight((to, part) => emit(part, to), next);
    if ('any' in tree) return push({ next: tree.any.map((part) => emit(part, next)) });
    let first = next;
    if (tree.max === Number.POSITIVE_INFINITY) {
      const loop = { next: [next] };
      first = push(loop);
      loop.next.push(emit(tree.repeat, first));
    } else for (let i = tree.min; i < tree.max; i++) first = push({ next: [next, emit(tree.repeat, first)] });
    for (let i = 0; i < tree.min; i++) first = emit(tree.repeat, first);
    return first;
  };
  const tree = new Parser(pattern).parse();
  return { start: emit(tree, 0), states };
}

function holds(assertion: Assertion, before: number | undefined, after: number | undefined): boolean {
  if (assertion === 'start') return before === undefined;
  if (assertion === 'end') return after === undefined;
  if (assertion === 'lineStart') return before === undefined || before === 10;
  if (assertion === 'lineEnd') return after === undefined || after === 10;
  const isBoundary = (before !== undefined && isWord(before)) !== (after !== undefined && isWord(after));
  return isBoundary === (assertion === 'word');
}

/** Whether the whole text matches; yields now and then. */
export function* matchesWhole({ states, start }: Regex, text: string): Generator<void, boolean> {
  const reachedAt = new Int32Array(states.length).fill(-1);
  const waiting = [start];
  let before: number | undefined;
  let work = 0;
  for (let at = 0; ; at++) {
    const after = text.codePointAt(at);
    // States that wait for a character, found from those just entered.
    const current: number[] = [];
    let accepts = false;
    while (waiting.length > 0) {
      const index = waiting.pop()!;
      if (reachedAt[index] === at) continue;
      reachedAt[index] = at;
      const { test, assert, next } = states[index]!;
      if (index === 0) accepts = true;
      else if (test) current.push(index);
      else if (!assert || holds(assert, before, after)) waiting.push(...next);
    }
    if (after === undefined) return accepts;
    for (const index of current) if (states[index]!.test!(after)) waiting.push(states[index]!.next[0]!);
    if (waiting.length === 0) return false;
    before = after;
    if (after > 0xffff) at++;
    work += current.length;
    if (work > 10_000) {
      work = 0;
      yield;
    }
  }
}
