/** Binary header values (`-bin`): base64, written without padding, read with or without it (PROTOCOL-HTTP2.md, "Binary Metadata"). */

const valid = /^[A-Za-z0-9+/]*={0,2}$/;

export function encodeBinaryHeader(value: Uint8Array): string {
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  const end = text.indexOf("=");
  return end < 0 ? text : text.slice(0, end);
}

/** Undefined when the text is not base64. */
export function decodeBinaryHeader(value: string): Uint8Array | undefined {
  const text = value.trim();
  if (!valid.test(text)) return undefined;
  const digits = text.replace(/=+$/, "").length;
  if (digits % 4 === 1) return undefined;
  return new Uint8Array(Buffer.from(text, "base64"));
}
