import { fileURLToPath } from "node:url";
import { Child } from "../lib/child.mjs";
import { measured, number, table } from "../lib/table.mjs";

const PROCESS = fileURLToPath(new URL("../codec-process.mjs", import.meta.url));
const LIBRARIES = { dubhe: "dubhe", "connect-node": "protobuf-es", "grpc-js": "protobufjs" };
const MEASURED = ["encode small", "decode small", "encode medium", "decode medium"];

export const codec = {
  name: "codec",
  title: "Codec",
  cells: () =>
    Object.entries(LIBRARIES).map(([subject, library]) => ({
      subject,
      label: library,
      async run({ quick, pinning }) {
        const child = new Child(library, [process.execPath, PROCESS, library, quick ? "50" : "500"], pinning?.client);
        try {
          const { result } = await child.next("result", 60_000);
          return { library, ...result, errors: 0 };
        } finally {
          await child.stop();
        }
      },
    })),
  lines(bySubject) {
    const [{ octets } = { octets: {} }] = [...bySubject.values()].flat();
    return [
      `Thousands of messages per second of CPU time. Small: ${octets.small} octets, 4 fields. Medium: ${octets.medium} octets, with nested`,
      "and repeated messages, a map, packed numbers, bytes, a oneof. protobuf-es and protobufjs encode messages of their own",
      "kind, made beforehand; protobufjs is the code that it generates at run time, the same text as in its static modules.",
      "",
      ...table(
        ["codec", ...MEASURED],
        [...bySubject.values()]
          .filter((results) => results.length > 0)
          .map((results) => [
            results[0].library,
            ...MEASURED.map((what) =>
              measured(
                results.map((result) => result[what] / 1000),
                number,
              ),
            ),
          ]),
      ),
    ];
  },
};
