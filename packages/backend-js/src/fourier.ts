/** The discrete Fourier transform of any length, in O(n log n): radix 2, and Bluestein's algorithm for other lengths. */

/** Transforms sequences of `n` complex numbers; what depends on `n` only is computed once. */
export class Fourier {
  private readonly n: number;
  /** cos and sin of 2 pi k / n, or (Bluestein) of pi k^2 / n. */
  private readonly cos: Float64Array;
  private readonly sin: Float64Array;
  /** The power of two in which Bluestein's convolution is done, and the transform of its chirp. */
  private readonly inner: Fourier | undefined;
  private readonly chirpRe = new Float64Array(0);
  private readonly chirpIm = new Float64Array(0);

  constructor(n: number) {
    this.n = n;
    this.cos = new Float64Array(n);
    this.sin = new Float64Array(n);
    const isPower = Number.isInteger(Math.log2(n)) || n === 0;
    for (let k = 0; k < n; k++) {
      // Modulo the period, while the square is still exact.
      const angle = isPower ? (2 * Math.PI * k) / n : (Math.PI * ((k * k) % (2 * n))) / n;
      this.cos[k] = Math.cos(angle);
      this.sin[k] = Math.sin(angle);
    }
    if (isPower) return;
    const size = 2 ** Math.ceil(Math.log2(2 * n - 1));
    this.inner = new Fourier(size);
    this.chirpRe = new Float64Array(size);
    this.chirpIm = new Float64Array(size);
    for (let k = 0; k < n; k++) {
      for (const at of [k, (size - k) % size]) {
        this.chirpRe[at] = this.cos[k];
        this.chirpIm[at] = this.sin[k];
      }
    }
    this.inner.forward(this.chirpRe, this.chirpIm);
  }

  /** `X[k] = sum of x[j] exp(-2 pi i j k / n)`, in place. */
  forward(re: Float64Array, im: Float64Array): void {
    if (this.inner) this.bluestein(re, im, this.inner);
    else this.radix2(re, im);
  }

  /** The sum with the other sign, not divided by n. */
  backward(re: Float64Array, im: Float64Array): void {
    this.forward(im, re);
  }

  private radix2(re: Float64Array, im: Float64Array): void {
    const { n, cos, sin } = this;
    for (let i = 1, j = 0; i < n; i++) {
      let bit = n >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) {
        [re[i], re[j]] = [re[j], re[i]];
        [im[i], im[j]] = [im[j], im[i]];
      }
    }
    for (let half = 1; half < n; half *= 2) {
      const step = n / (2 * half);
      for (let start = 0; start < n; start += 2 * half) {
        for (let k = 0; k < half; k++) {
          const [a, b] = [start + k, start + k + half];
          const [c, s] = [cos[k * step], -sin[k * step]];
          const [x, y] = [re[b] * c - im[b] * s, re[b] * s + im[b] * c];
          re[b] = re[a] - x;
          im[b] = im[a] - y;
          re[a] += x;
          im[a] += y;
        }
      }
    }
  }

  /** As j k = (j^2 + k^2 - (k - j)^2) / 2, a transform is a convolution with a chirp. */
  private bluestein(re: Float64Array, im: Float64Array, inner: Fourier): void {
    const { n, cos, sin, chirpRe, chirpIm } = this;
    const [a, b] = [new Float64Array(inner.n), new Float64Array(inner.n)];
    for (let k = 0; k < n; k++) {
      a[k] = re[k] * cos[k] + im[k] * sin[k];
      b[k] = im[k] * cos[k] - re[k] * sin[k];
    }
    inner.forward(a, b);
    for (let k = 0; k < inner.n; k++) {
      const x = a[k] * chirpRe[k] - b[k] * chirpIm[k];
      b[k] = a[k] * chirpIm[k] + b[k] * chirpRe[k];
      a[k] = x;
    }
    inner.backward(a, b);
    for (let k = 0; k < n; k++) {
      const [x, y] = [a[k] / inner.n, b[k] / inner.n];
      re[k] = x * cos[k] + y * sin[k];
      im[k] = y * cos[k] - x * sin[k];
    }
  }
}
