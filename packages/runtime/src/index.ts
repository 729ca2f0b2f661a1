// Sessions: plans with their weights packed, ready to run many times.
export {};
