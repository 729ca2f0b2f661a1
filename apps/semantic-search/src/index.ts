// Semantic search over your own sentences, on your own processor.
export {};
