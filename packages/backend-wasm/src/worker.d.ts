/** Answers messages of the pool; what it returns is told them. */
export function serve(post: (message: unknown, transfer?: Transferable[]) => void): (message: unknown) => void;
