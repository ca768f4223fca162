/** The URL or the options are wrong; nothing was tried. */
export class EtcdConfigError extends Error {
  override readonly name = "EtcdConfigError";
}

/** No server answers now. The registry goes on trying; what is wanted is kept. */
export class EtcdUnavailableError extends Error {
  override readonly name = "EtcdUnavailableError";
}

/** The server wants a login, or refuses ours. */
export class EtcdLoginError extends Error {
  override readonly name = "EtcdLoginError";
}

/** The server understood, and does not do it: rights are missing, or it is too large. Tried again from time to time. */
export class EtcdRefusedError extends Error {
  override readonly name = "EtcdRefusedError";
}

export function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}
