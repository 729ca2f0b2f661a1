// How fast instructions are emitted, over the built package: `pnpm build --filter @espalier/x64 && node packages/x64/bench/emission.mjs`.
import { Assembler, at, BROADCAST, rcx, rdi, rsi, ymm, zmm } from '../dist/index.js';

const COUNT = 10_000_000;

/** Mixes of instructions: each call emits `n` of them. */
const mixes = {
  'fma, broadcast from memory (a sparse stream)': (a, n) => {
    const weights = at(rsi);
    for (let i = 0; i < n; i++) a.vfmadd231ps(zmm(i % 28), zmm(28 + (i & 3)), weights, (i & 31) * 4, BROADCAST);
  },
  'fma, registers': (a, n) => {
    for (let i = 0; i < n; i++) a.vfmadd231ps(zmm(i % 28), zmm(28 + (i & 3)), zmm(i & 7));
  },
  'fma, ymm and memory (VEX)': (a, n) => {
    const b = at(rdi, rcx, 4);
    for (let i = 0; i < n; i++) a.vfmadd231ps(ymm(i & 7), ymm(8 + (i & 3)), b, (i & 31) * 32);
  },
  'dense int8 loop: loads, vpdpbusd, stores, adds': (a, n) => {
    const [b, c] = [at(rsi), at(rdi)];
    for (let i = 0; i < n; i += 8) {
      a.vmovdqu64(zmm(28), b, i & 0x3fc0);
      a.vpdpbusd(zmm(i & 15), zmm(28), c, i & 0x3fc, BROADCAST);
      a.vpdpbusd(zmm(16 + (i & 7)), zmm(28), c, i & 0x3fc, BROADCAST);
      a.vpaddd(zmm(i & 15), zmm(i & 15), zmm(3));
      a.vpxord(zmm(4), zmm(4), zmm(4));
      a.vmovdqu64(c, i & 0x3fc0, zmm(4));
      a.addi(rsi, 64);
      a.prefetcht1(b, 4096);
    }
  },
};

/** Nanoseconds of processor time (a busy machine disturbs it less than the clock's) per instruction, the best of three. */
function measure(mix, chunk) {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const a = new Assembler();
    const start = process.cpuUsage();
    for (let done = 0; done < COUNT; done += chunk) {
      a.reset();
      mix(a, Math.min(chunk, COUNT - done));
    }
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, ((user + system) * 1e3) / COUNT);
  }
  return best;
}

console.log(
  `${COUNT / 1e6} million instructions, Node ${process.version}; ns each: into 1 MB reused, into one growing buffer`,
);
for (const [name, mix] of Object.entries(mixes)) {
  const reused = measure(mix, 100_000);
  const growing = measure(mix, COUNT);
  console.log(`${reused.toFixed(1).padStart(6)} ${growing.toFixed(1).padStart(6)}  ${name}`);
}
