/** Every error that Espalier throws on purpose: a stable `code`, a message that names the node or file and says what to do. */

/** Stable codes; programs may branch on them, messages may change. */
export type ErrorCode =
  | 'ABORTED'
  | 'BAD_FILE'
  | 'BAD_GRAPH'
  | 'BAD_INPUT'
  | 'DISPOSED'
  | 'KERNEL_FAILED'
  | 'LIMIT'
  | 'NOT_FOUND'
  | 'SHAPE_MISMATCH'
  | 'UNSAFE_PATH'
  | 'UNSUPPORTED';

/** What an {@link EspalierError} may carry beside its code. */
export interface ErrorDetails {
  /** The file, URL or archive member it is about. */
  readonly file?: string;
  /** The graph node it is about. */
  readonly node?: string;
  readonly cause?: unknown;
}

export class EspalierError extends Error {
  readonly code: ErrorCode;
  readonly file: string | undefined;
  readonly node: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'EspalierError';
    this.code = code;
    this.file = details.file;
    this.node = details.node;
  }
}

/** Thrown by `prepare` when a kernel finds out late that it cannot serve a call: the next candidate is taken. */
export class UnsupportedError extends EspalierError {
  /** Each thing that is not supported, one line each. */
  readonly reasons: readonly string[];

  constructor(message: string, reasons: readonly string[] = [], details: ErrorDetails = {}) {
    super('UNSUPPORTED', message, details);
    this.name = 'UnsupportedError';
    this.reasons = reasons;
  }
}

/** True for errors of Espalier with this code, also when they come from another copy of this package. */
export function hasCode(error: unknown, code: ErrorCode): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === code;
}

/** Throws an `ABORTED` error (with the signal's reason as cause) when `signal` has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new EspalierError('ABORTED', 'the run was aborted by its AbortSignal', { cause: signal.reason });
  }
}
