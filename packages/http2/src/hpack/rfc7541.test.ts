import assert from "node:assert/strict";
import { test } from "node:test";
import { HeaderTemplate } from "../types.js";
import { HpackDecoder } from "./decoder.js";
import { HpackEncoder } from "./encoder.js";

/** A block of RFC 7541 Appendix C: octets, the fields they mean, and the table's size afterwards. */
interface Vector {
  readonly hex: string;
  readonly fields: readonly string[];
  readonly tableSize: number;
}

const octets = (hex: string): Uint8Array => Buffer.from(hex.replaceAll(" ", ""), "hex");

function check(vectors: readonly Vector[], tableSize = 4096): void {
  const decoder = new HpackDecoder();
  if (tableSize !== 4096) {
    decoder.setMaxTableSize(tableSize);
    decoder.decode(octets("3fe101")); // the size update to 256 that the appendix leaves out
  }
  for (const { hex, fields, tableSize: size } of vectors) {
    const block = decoder.decode(octets(hex));
    assert.deepEqual(block.fields, fields);
    assert.equal(block.malformed, undefined);
    assert.equal(decoder.tableSize, size);
  }
}

const GET = [":method", "GET", ":scheme", "http", ":path", "/", ":authority", "www.example.com"];
const GET_NO_CACHE = [...GET, "cache-control", "no-cache"];
const GET_CUSTOM = [
  ...[":method", "GET", ":scheme", "https", ":path", "/index.html", ":authority", "www.example.com"],
  ...["custom-key", "custom-value"],
];
const DATE = ["date", "Mon, 21 Oct 2013 20:13:21 GMT"];
const LOCATION = ["location", "https://www.example.com"];
const RESPONSE_302 = [":status", "302", "cache-control", "private", ...DATE, ...LOCATION];
const RESPONSE_307 = [":status", "307", "cache-control", "private", ...DATE, ...LOCATION];
const RESPONSE_200 = [
  ...[":status", "200", "cache-control", "private", "date", "Mon, 21 Oct 2013 20:13:22 GMT", ...LOCATION],
  ...["content-encoding", "gzip", "set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
];

test("C.2: representations", () => {
  const key = "custom-key";
  check([
    {
      hex: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      fields: [key, "custom-header"],
      tableSize: 55,
    },
  ]);
  check([{ hex: "040c 2f73 616d 706c 652f 7061 7468", fields: [":path", "/sample/path"], tableSize: 0 }]);
  check([{ hex: "1008 7061 7373 776f 7264 0673 6563 7265 74", fields: ["password", "secret"], tableSize: 0 }]);
  check([{ hex: "82", fields: [":method", "GET"], tableSize: 0 }]);
});

test("C.3: requests without Huffman coding", () => {
  check([
    { hex: "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", fields: GET, tableSize: 57 },
    { hex: "8286 84be 5808 6e6f 2d63 6163 6865", fields: GET_NO_CACHE, tableSize: 110 },
    {
      hex: "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
      fields: GET_CUSTOM,
      tableSize: 164,
    },
  ]);
});

const C41 = "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff";
const C43 = "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf";

test("C.4: requests with Huffman coding", () => {
  check([
    { hex: C41, fields: GET, tableSize: 57 },
    { hex: "8286 84be 5886 a8eb 1064 9cbf", fields: GET_NO_CACHE, tableSize: 110 },
    { hex: C43, fields: GET_CUSTOM, tableSize: 164 },
  ]);
});

test("C.5: responses without Huffman coding, with eviction", () => {
  check(
    [
      {
        hex:
          "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d " +
          "546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        fields: RESPONSE_302,
        tableSize: 222,
      },
      { hex: "4803 3330 37c1 c0bf", fields: RESPONSE_307, tableSize: 222 },
      {
        hex:
          "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f " +
          "6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b " +
          "2076 6572 7369 6f6e 3d31",
        fields: RESPONSE_200,
        tableSize: 215,
      },
    ],
    256,
  );
});

test("C.6: responses with Huffman coding, with eviction", () => {
  check(
    [
      {
        hex:
          "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 " +
          "8f0b 97c8 e9ae 82ae 43d3",
        fields: RESPONSE_302,
        tableSize: 222,
      },
      { hex: "4883 640e ffc1 c0bf", fields: RESPONSE_307, tableSize: 222 },
      {
        hex:
          "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 " +
          "dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        fields: RESPONSE_200,
        tableSize: 215,
      },
    ],
    256,
  );
});

test("the encoder writes C.4.1 and C.4.3 octet by octet", () => {
  const encoder = new HpackEncoder();
  const out = new Uint8Array(512);
  const encode = (fields: readonly string[]): Uint8Array =>
    out.slice(0, encoder.encode(new HeaderTemplate(fields), undefined, out, 0));
  assert.deepEqual(encode(GET), new Uint8Array(octets(C41)));
  encode(GET_NO_CACHE); // not C.4.2: "no-cache" is below the length at which the encoder tries Huffman
  assert.deepEqual(encode(GET_CUSTOM), new Uint8Array(octets(C43)));
});
