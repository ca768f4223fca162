import type { ResolvedOptions } from "../options.js";
import { ReceiveTotal } from "./receive-total.js";
import { SendTotal } from "./send-total.js";

/** What the connections of a listener hold together. A client's connection has one of its own, without limits. */
export class ListenerTotals {
  readonly send: SendTotal;
  readonly receive: ReceiveTotal;

  constructor(options?: ResolvedOptions) {
    this.send = new SendTotal(options?.sendBufferTotal ?? Infinity);
    this.receive = new ReceiveTotal(options?.receiveBufferTotal ?? Infinity);
  }
}
