// Other runtimes to compare with.
export { type Difference, difference, distance } from './distance.ts';
export { installPeer } from './install.ts';
export { loadOnnxruntime, type PeerOptions, type PeerSession, peerSession } from './onnxruntime.ts';
