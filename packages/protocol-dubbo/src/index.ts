export { type DubboCallOptions, DubboClient, type DubboClientOptions } from "./client.js";
export type { Target } from "./connection.js";
export { DubboError, type DubboErrorKind } from "./dubbo-error.js";
export type { Invocation } from "./invocation.js";
