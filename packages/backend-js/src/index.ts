// The scalar reference backend: the definition of every op.
export {};
