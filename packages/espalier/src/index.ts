// Runs and trains neural networks on the processor you have, from Node or a browser.
export {};
