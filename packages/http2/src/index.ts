export { type Core, createCore } from "./connection/core.js";
export { ConnectionError, ErrorCode, errorCodeName } from "./errors.js";
export { HpackDecoder, HpackEncoder } from "./hpack/index.js";
export {
  CLIENT_KEEPALIVE_MS,
  type ConnectionOptions,
  checkConnectionOptions,
  type KeepaliveOptions,
} from "./options.js";
export type { Output } from "./output.js";
export type { PeerSettings } from "./settings.js";
export { type CertificateSummary, checkTlsMaterial, summarizeCertificate } from "./socket/certificate.js";
export { type ClientTls, type ClientTlsOptions, type ConnectTarget, connect } from "./socket/connect.js";
export { createListener } from "./socket/listener.js";
export type {
  BoundAddress,
  ListenAddress,
  Listener,
  ListenerCounters,
  ListenerOptions,
  TlsFailure,
} from "./socket/listener-types.js";
export { SocketFacts } from "./socket/socket-facts.js";
export type { ServerTlsOptions, TlsCertificate } from "./socket/tls-acceptor.js";
export * from "./types.js";
