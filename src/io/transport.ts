// The port to the other replicas: frames of bytes, in order, at most once, no promise that they
// arrive.

/** Another replica, as the transport names it: the id it gave in its verified hello. */
export type PeerId = number;

/** Where to reach a peer. */
export interface PeerAddress {
  readonly peerId: PeerId;
  /** `host:port` */
  readonly address: string;
}

/** What the replica answers to a caller's hello. */
export type HelloVerdict =
  | { readonly kind: "accepted"; readonly peerId: PeerId }
  /** `reason` is told to the caller and logged. */
  | { readonly kind: "refused"; readonly reason: string };

/**
 * The replica's side of the transport. All calls come from the event loop, never from inside
 * `send`.
 */
export interface TransportHandler {
  /** What this replica says first on each new stream; asked each time. */
  hello(): Uint8Array;
  /** Judges the hello of a caller, or of a callee that answers. */
  handleHello(hello: Uint8Array): HelloVerdict;
  /** A peer can now be sent to, and can send. */
  handleConnected(peer: PeerId): void;
  /**
   * A stream with this peer broke; frames under way may be lost. A killed process shows at once, a
   * hung one never.
   */
  handleDisconnected(peer: PeerId, reason: string): void;
  handleFrame(peer: PeerId, frame: Uint8Array): void;
  /** A peer said no to our hello, for this reason. It will be called again. */
  handleRefused(peer: PeerId, reason: string): void;
}

/** Frames to and from the other replicas. */
export interface Transport {
  /** Begins to listen and to call the peers, again and again with jitter where a stream breaks. */
  start(handler: TransportHandler): void;
  /** Whom to call from now on; streams with others are ended. */
  setPeers(peers: readonly PeerAddress[]): void;
  /**
   * Queues a frame. False: dropped, since the peer is not connected or too much is waiting already
   * (`peerBufferBytesMax`); consensus copes with any loss.
   */
  send(peer: PeerId, frame: Uint8Array): boolean;
  /** Ends the streams with a peer, so that it must say hello again. */
  disconnect(peer: PeerId, reason: string): void;
  close(): void;
}
