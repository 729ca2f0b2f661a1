// Chooses backend, kernel and weight format for every node, and says why.
export {};
