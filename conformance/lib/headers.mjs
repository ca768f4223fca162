// Headers as the conformance protos have them: a name with all its values.

/** @returns `Header` messages of a `Metadata`. */
export function toHeaders(metadata) {
  const byName = new Map();
  for (const [name, value] of metadata) {
    const values = byName.get(name);
    if (values === undefined) byName.set(name, [value]);
    else values.push(value);
  }
  return Array.from(byName, ([name, value]) => ({ name, value }));
}

/** [name, value] pairs, as `CallOptions.headers` takes them. */
export const toPairs = (headers) => headers.flatMap(({ name, value }) => value.map((one) => [name, one]));

export function addHeaders(headers, metadata) {
  for (const [name, value] of toPairs(headers)) metadata.append(name, value);
}
