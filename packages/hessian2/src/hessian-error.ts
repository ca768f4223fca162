/** Bytes that are no Hessian 2, values that cannot be written, or a limit passed; the message says where. */
export class HessianError extends Error {
  override readonly name = "HessianError";
}
