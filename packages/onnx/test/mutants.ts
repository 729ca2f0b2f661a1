/** Broken copies of files: bits flipped, bytes set, parts cut, repeated and moved. */

/** The file with one or two changes; the same seed gives the same. Half of them are near the ends, where structure is. */
export function mutant(source: Uint8Array, seed: number): Uint8Array {
  let state = Math.imul(seed, 0x9e3779b1) >>> 0;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const end = Math.min(source.length, 4096);
  const at = (): number => [random(end), source.length - 1 - random(end), random(source.length)][random(3)]!;
  let copy = new Uint8Array(source);
  for (let times = 1 + random(2); times > 0; times--) {
    const [from, length] = [at(), 1 + random(16)];
    const part = source.subarray(from, from + length);
    const to = Math.min(at(), copy.length);
    switch (random(5)) {
      case 0:
        copy[to] = copy[to]! ^ (1 << random(8));
        break;
      case 1:
        copy[to] = [0, 1, 0x7f, 0x80, 0xff][random(5)]!;
        break;
      case 2:
        copy = Buffer.concat([copy.subarray(0, to), part, copy.subarray(to)]);
        break;
      case 3:
        copy = Buffer.concat([copy.subarray(0, to), copy.subarray(to + length)]);
        break;
      default:
        copy.set(part.subarray(0, copy.length - to), to);
    }
  }
  return copy;
}
