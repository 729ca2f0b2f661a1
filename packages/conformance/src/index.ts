// The suite that a backend passes: correctness, speed and support.
export {};
