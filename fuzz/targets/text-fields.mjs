import assert from "node:assert/strict";
import { decodeBinaryHeader, encodeBinaryHeader } from "../../packages/rpc/dist/base64.js";
import { parseAcceptEncoding, parseEncoding } from "../../packages/rpc/dist/compression.js";
import { parseContentType } from "../../packages/rpc/dist/content-type.js";
import { headerName, headerValue } from "../../packages/rpc/dist/header-rules.js";
import { Metadata } from "../../packages/rpc/dist/metadata.js";
import { decodeGrpcMessage, encodeGrpcMessage } from "../../packages/rpc/dist/percent.js";
import { RpcError } from "../../packages/rpc/dist/rpc-error.js";
import { readStatus, statusError, statusFields } from "../../packages/rpc/dist/status.js";
import { decodeTimeout, encodeTimeout } from "../../packages/rpc/dist/timeout.js";
import { hashOf } from "../lib/random.mjs";

/*
 * What stands in header fields. An input is fields behind each other: name, NUL, value, NUL. A value is given to every
 * parser, whatever its name.
 */

export function run(input) {
  const parts = Buffer.from(input).toString("latin1").split("\0");
  const fields = [];
  const features = [];
  for (let i = 0; i + 1 < parts.length; i += 2) fields.push(parts[i], parts[i + 1]);
  for (const text of parts) {
    timeout(text);
    message(text);
    message(Buffer.from(text, "latin1").toString("utf8"));
    binary(text);
    const encoding = parseEncoding(text);
    assert.ok([undefined, "identity", "gzip", "deflate", "br"].includes(encoding));
    const accepted = parseAcceptEncoding(text);
    assert.equal(new Set(accepted).size, accepted.length);
    features.push(hashOf(`${encoding} ${accepted} ${parseContentType(text)?.contentType}`), hashOf(rules(text)));
  }
  metadata(fields);
  features.push(hashOf(status(fields)));
  return features;
}

function timeout(text) {
  const ms = decodeTimeout(text);
  assert.equal(ms !== undefined, /^[0-9]{1,8}[HMSmun]$/.test(text), `timeout ${JSON.stringify(text)}`);
  if (ms === undefined) return;
  assert.ok(ms >= 0 && ms <= 99_999_999 * 3_600_000);
  const again = encodeTimeout(ms);
  assert.match(again, /^[0-9]{1,8}[HMSmun]$/);
  // Rounded up, by less than a unit.
  assert.ok(decodeTimeout(again) >= ms * (1 - 1e-12), `${text} became ${again}`);
}

function message(text) {
  const decoded = decodeGrpcMessage(text);
  const encoded = encodeGrpcMessage(decoded);
  assert.match(encoded, /^(?:[!-~](?:[ -~]*[!-~])?)?$/);
  assert.equal(decodeGrpcMessage(encoded), decoded.toWellFormed?.() ?? decoded);
}

function binary(text) {
  const bytes = decodeBinaryHeader(text);
  const digits = /^([A-Za-z0-9+/]*)={0,2}$/.exec(text.trim())?.[1];
  assert.equal(bytes !== undefined, digits !== undefined && digits.length % 4 !== 1, `base64 ${JSON.stringify(text)}`);
  if (bytes === undefined) return;
  assert.equal(bytes.length, Math.floor((digits.length * 3) / 4));
  const encoded = encodeBinaryHeader(bytes);
  assert.deepEqual(decodeBinaryHeader(encoded), bytes);
  // The bits that are left over may differ, nothing else.
  assert.equal(encoded.slice(0, -1), digits.slice(0, -1));
}

function rules(text) {
  let out = "";
  for (const check of [() => headerName(text), () => headerValue("x", text)]) {
    try {
      check();
      out += "+";
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      out += error.message.slice(0, 12);
    }
  }
  return out;
}

function metadata(fields) {
  const view = Metadata.fromFields(Object.freeze([...fields]));
  const names = new Set(fields.filter((name, i) => i % 2 === 0 && !name.startsWith(":")));
  assert.equal([...view].length, fields.filter((name, i) => i % 2 === 0 && !name.startsWith(":")).length);
  JSON.stringify(view.toJSON());
  for (const name of names) {
    if (name !== name.toLowerCase()) continue;
    assert.ok(view.has(name));
    assert.equal(view.get(name), view.getAll(name).join(", "));
    if (!name.endsWith("-bin")) continue;
    try {
      view.getAllBinary(name);
    } catch (error) {
      assert.match(error.message, /is not base64/);
    }
  }
  const sent = [];
  view.appendTo(sent);
  const copy = new Metadata();
  for (const [name, value] of view) {
    try {
      copy.append(name, value);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
    }
  }
  for (const name of names) copy.delete(name);
  assert.equal(copy.isEmpty, true);
}

function status(fields) {
  const read = readStatus(fields);
  if (read === undefined) return "none";
  assert.ok(Number.isInteger(read.code) && read.code >= 0 && read.code < 1e9);
  const error = statusError(read, { headers: new Metadata(), trailers: new Metadata() });
  assert.ok(error instanceof RpcError);
  const written = statusFields(error);
  for (let i = 0; i < written.length; i += 2) assert.match(written[i + 1], /^(?:[!-~](?:[ -~]*[!-~])?)?$/);
  const again = readStatus(written);
  if (read.code > 0) assert.equal(again.code, read.code);
  if (written.join().length < 8_000 && read.code > 0)
    assert.equal(again.message, error.rawMessage.toWellFormed?.() ?? error.rawMessage);
  return `${read.code < 20 ? read.code : "many"} ${read.details === undefined} ${error.details.length > 0}`;
}

const seed = (...fields) => new Uint8Array(Buffer.from(fields.flatMap((text) => [text, "\0"]).join(""), "latin1"));

export function seeds() {
  return [
    seed("grpc-timeout", "99999999H", "grpc-timeout", "1n", "t", "100m"),
    seed("grpc-status", "5", "grpc-message", "not %66ound%20 %E6%97%A5", "grpc-status-details-bin", "CAUSA2FiYw=="),
    seed("grpc-status", "5", "grpc-status-details-bin", "CAUSA2FiYxohCh90eXBlLmdvb2dsZWFwaXMuY29tL2R1YmhlLlRlc3Q"),
    seed("x-bin", "AAEC,AwQ=", "x", "a", "x", "b", ":path", "/"),
    seed("accept-encoding", "gzip;q=0, br, *;q=0.5", "content-type", "application/json; charset=utf-8"),
    seed("grpc-encoding", "x-gzip", "Content-Type", "application/grpc+proto", "__proto__", "constructor"),
    seed("grpc-message", "%", "grpc-message", "%%4", "grpc-message", " %zz%C3 "),
  ];
}

export const maxLength = 600;
const WORDS = [
  "grpc-status",
  "grpc-message",
  "grpc-status-details-bin",
  "%",
  "%C3",
  "%ff",
  "=",
  "==",
  "A",
  "gzip",
  "br",
  ";q=0",
  ",",
  "0",
  "16",
  "\0",
  "-bin",
  "99999999",
  "S",
  "\xff",
  "application/grpc",
];

export function mutate(input, random) {
  const at = random.below(input.length + 1);
  const word = Buffer.from(random.pick(WORDS), "latin1");
  return new Uint8Array(
    Buffer.concat([input.subarray(0, at), word, input.subarray(at + (random.chance(2) ? word.length : 0))]),
  );
}

/** The code that this target is for. */
export const covers = /rpc\/dist\/(?:base64|content-type|header-rules|metadata|percent|status|timeout)/;
