import { HeaderTemplate } from "@dubhe/http2";
import { acceptedEncodings, type Encoding } from "../compression.js";
import { type BodyType, bodyTypes } from "../content-type.js";

/*
 * Response headers that repeat: a connection encodes each template once.
 */

type ByEncoding = Readonly<Record<Encoding, HeaderTemplate>>;

const forEncodings = (make: (encoding: Encoding) => HeaderTemplate): ByEncoding => ({
  identity: make("identity"),
  gzip: make("gzip"),
  deflate: make("deflate"),
  br: make("br"),
});

const byBody = (bodies: readonly BodyType[], make: (body: BodyType, encoding: Encoding) => HeaderTemplate) =>
  new Map(bodies.map((body) => [body, forEncodings((encoding) => make(body, encoding))]));

const headers = (fields: readonly string[]): HeaderTemplate => new HeaderTemplate([":status", "200", ...fields]);

const grpc: ReadonlyMap<BodyType, ByEncoding> = byBody(bodyTypesOf("grpc"), ({ contentType }, encoding) =>
  headers([
    ...["content-type", contentType, "grpc-accept-encoding", acceptedEncodings],
    ...(encoding === "identity" ? [] : ["grpc-encoding", encoding]),
  ]),
);

const plain = (more: readonly string[]): ReadonlyMap<BodyType, ByEncoding> =>
  byBody(bodyTypesOf("plain"), ({ contentType }, encoding) =>
    headers([
      ...["content-type", contentType, "accept-encoding", acceptedEncodings],
      ...(encoding === "identity" ? [] : ["content-encoding", encoding]),
      ...more,
    ]),
  );

const plainByPost = plain([]);
/** A cache must not give to one client what was compressed for another. */
const plainByGet = plain(["vary", "accept-encoding"]);

/** Before messages, and of a status without any. */
export function grpcHeaders(body: BodyType): ByEncoding {
  return grpc.get(body) as ByEncoding;
}

/** Of a message without gRPC's framing. */
export function plainHeaders(body: BodyType, byGet: boolean): ByEncoding {
  return (byGet ? plainByGet : plainByPost).get(body) as ByEncoding;
}

export const okTrailers: HeaderTemplate = new HeaderTemplate(["grpc-status", "0"]);
/** For a status that varies: all its fields are given apart. */
export const anyFields: HeaderTemplate = new HeaderTemplate([]);

function bodyTypesOf(framing: BodyType["framing"]): readonly BodyType[] {
  return bodyTypes.filter((type) => type.framing === framing);
}
