// Reads TensorFlow.js graph models.
export {};
