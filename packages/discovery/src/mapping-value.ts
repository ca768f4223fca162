/*
 * The value of a mapping entry: application names separated by commas, `shop,shop-canary`. Everyone who exports the
 * interface appends to it, nobody removes. Elements are compared whole: `order` is not in `order-service` (D-14).
 */

/** The applications of a mapping value, in its order, without empties, blanks and repetitions. */
export function parseMapping(value: string | undefined): readonly string[] {
  if (value === undefined || value === "") return [];
  const names = new Set<string>();
  for (const element of value.split(",")) {
    const name = element.trim();
    if (name !== "") names.add(name);
  }
  return [...names];
}

/** The value with `application` appended; undefined when it is there already, so nothing needs writing. */
export function addToMapping(value: string | undefined, application: string): string | undefined {
  const names = parseMapping(value);
  return names.includes(application) ? undefined : [...names, application].join(",");
}
