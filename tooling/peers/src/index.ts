// Other runtimes to compare with.
export { type Difference, difference, distance } from './distance.ts';
export { installPeer } from './install.ts';
export { loadOnnxruntime, type PeerOptions, peerSession, webPeerFiles, webPeerSession } from './onnxruntime.ts';
export { type Onnxruntime, type PeerSession, webSession } from './session.ts';
