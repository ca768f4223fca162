export { type Core, createCore } from "./connection/core.js";
export { ConnectionError, ErrorCode, errorCodeName } from "./errors.js";
export { HpackDecoder, HpackEncoder } from "./hpack/index.js";
export type { ConnectionOptions, KeepaliveOptions } from "./options.js";
export type { Output } from "./output.js";
export type { PeerSettings } from "./settings.js";
export { type ClientTlsOptions, type ConnectTarget, connect } from "./socket/connect.js";
export {
  type BoundAddress,
  createListener,
  type ListenAddress,
  type Listener,
  type ListenerOptions,
  type ServerTlsOptions,
} from "./socket/listener.js";
export * from "./types.js";
