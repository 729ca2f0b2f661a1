/** What a check found wrong with a backend; anything else that is thrown is a fault of the suite or of the backend's code. */

export class Mismatch extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'Mismatch';
  }
}
