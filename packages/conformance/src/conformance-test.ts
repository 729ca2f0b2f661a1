/** What a suite is made of, whichever runner runs it. */

export interface ConformanceTest {
  /** `<kernel>: <what is checked>`, or `<backend>: <what is checked>`. */
  readonly name: string;
  /** Resolves when all is well. */
  run(): Promise<void>;
  /** Why there is nothing to run; `run` resolves at once then. */
  readonly skip?: string;
}
