// What is not in the matrix because a peer cannot do it with its own kind either: each with the reason and how it was seen.

/** `when`: values of axes; a configuration that has them all is left out. */
export const EXCLUDED = [
  {
    what: "dubbo-java calls an address where nobody listens yet",
    when: { peer: ["dubbo-java 3.3.6", "dubbo-java 3.2.19"], role: "consumer", registry: "direct", first: "consumer" },
    reason: "it tries an address that refused it again only after a minute.",
    seen: 'a dubbo-java client before a dubbo-java server of its own version, `--url … --wait 20s`: "No provider available … validInvokers: 0, invokersToReconnect: 1".',
  },
];

export const reasonAgainst = (config) => EXCLUDED.find(({ when }) => matches(config, when))?.reason;

const matches = (config, when) =>
  Object.entries(when).every(([axis, values]) => [values].flat().includes(config[axis]));
