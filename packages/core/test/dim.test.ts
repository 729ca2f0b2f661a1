import { describe, expect, it } from 'vitest';
import { type Dim, dim } from '../src/index.ts';

describe('dim', () => {
  it('writes equal expressions as equal text', () => {
    expect(dim.mul(dim.add('seq', 1), 'batch')).toBe(dim.add('batch', dim.mul('batch', 'seq')));
    expect(dim.parse('2*(a+b)-b*2')).toBe('2*a');
    expect(dim.sub(dim.add('a', 3), 'a')).toBe(3);
  });

  it('divides exactly where it can', () => {
    expect(dim.floorDiv(dim.mul(dim.mul('batch', 'seq'), 384), dim.mul('seq', 12))).toBe('32*batch');
    expect(dim.mod(dim.mul('a', 6), 3)).toBe(0);
    expect(dim.floorDiv(dim.add('h', 1), 2)).toBe('floor(h+1,2)');
    expect(dim.ceilDiv(7, 2)).toBe(4);
  });

  it('decides max and min where the sign of the difference is certain', () => {
    expect(dim.max('a', 0)).toBe('a');
    expect(dim.min(dim.add('a', 2), 'a')).toBe('a');
    expect(dim.max('a', 'b')).toBe('max(a,b)');
    expect(dim.max('b', 'a')).toBe('max(a,b)');
  });

  it('broadcasts', () => {
    expect(dim.broadcast('a', 1)).toBe('a');
    expect(dim.broadcast('a', 5)).toBe(5);
    expect(dim.evaluate(dim.broadcast('a', 'b'), { a: 1, b: 4 })).toBe(4);
    expect(() => dim.evaluate(dim.broadcast('a', 'b'), { a: 3, b: 4 })).toThrow(/cannot be broadcast/);
    expect(() => dim.broadcast(3, 4)).toThrow(/cannot be broadcast/);
  });

  it('says equal, different or unknown', () => {
    expect(dim.equal(dim.add('a', 1), 'a')).toBe(false);
    expect(dim.equal('a', 'b')).toBeUndefined();
    expect(dim.equal(dim.parse('a*b'), dim.parse('b*a'))).toBe(true);
  });

  it('round-trips every form through text and agrees with arithmetic on numbers', () => {
    const symbols = ['a', 'b', 'c'];
    let seed = 7;
    const random = (n: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % n;
    };
    const make = (depth: number, at: Record<string, number>): [Dim, number] => {
      if (depth === 0 || random(4) === 0) {
        if (random(2) === 0) {
          const n = random(5);
          return [n, n];
        }
        const s = symbols[random(3)]!;
        return [s, at[s]!];
      }
      const [[x, u], [y, v]] = [make(depth - 1, at), make(depth - 1, at)];
      const pick = random(8);
      if (pick === 0) return [dim.sub(x, y), u - v];
      if (pick === 1) return [dim.max(x, y), Math.max(u, v)];
      if (pick === 2) return [dim.min(x, y), Math.min(u, v)];
      if (pick === 3) return [dim.floorDiv(x, 3), Math.floor(u / 3)];
      if (pick === 4) return [dim.mod(x, 4), ((u % 4) + 4) % 4];
      if (pick === 5) return [dim.mul(x, y), u * v];
      return [dim.add(x, y), u + v];
    };
    for (let i = 0; i < 2000; i++) {
      const at = { a: random(6), b: random(6), c: random(6) };
      const [expression, value] = make(4, at);
      expect(dim.evaluate(expression, at), `${expression} at ${JSON.stringify(at)}`).toBe(value);
      expect(dim.parse(String(expression))).toBe(expression);
      expect(dim.substitute(expression, at)).toBe(value);
    }
  });

  it('refuses what is no expression, what nests too deep and what cannot exist', () => {
    for (const bad of ['', '+', 'a b', '3a', 'floor(a)', 'eval(a,b)', 'a*', '(a', 'a//b', 'é']) {
      expect(() => dim.parse(bad), bad).toThrow(/not a dimension expression/);
    }
    expect(() => dim.parse('('.repeat(5000))).toThrow();
    expect(() => dim.parse('('.repeat(200))).toThrow(/deeper/);
    expect(() => dim.mul(2 ** 40, 2 ** 40)).toThrow(/2\^53/);
  });
});
