import type { FieldList } from "@dubhe/http2";

/** The fields of a request that the protocols look at, as they came. */
export class RawHead {
  method = "";
  path = "";
  /** Of `:path`, without the question mark. */
  query: string | undefined = undefined;
  contentType: string | undefined = undefined;
  group = "";
  version = "";
  grpcTimeout: string | undefined = undefined;
  grpcEncoding: string | undefined = undefined;
  grpcAccept: string | undefined = undefined;
  connectTimeout: string | undefined = undefined;
  tripleTimeout: string | undefined = undefined;
  connectVersion: string | undefined = undefined;
  contentEncoding: string | undefined = undefined;
  accept: string | undefined = undefined;
  contentLength = -1;

  constructor(fields: FieldList) {
    for (let i = 0; i < fields.length; i += 2) this.#take(fields[i] as string, fields[i + 1] as string);
  }

  #take(name: string, value: string): void {
    switch (name) {
      case ":method":
        this.method = value;
        break;
      case ":path": {
        const at = value.indexOf("?");
        this.path = at < 0 ? value : value.slice(0, at);
        if (at >= 0) this.query = value.slice(at + 1);
        break;
      }
      case "content-type":
        this.contentType = value;
        break;
      case "tri-service-group":
        this.group = value;
        break;
      case "tri-service-version":
        this.version = value;
        break;
      case "grpc-timeout":
        this.grpcTimeout = value;
        break;
      case "grpc-encoding":
        this.grpcEncoding = value;
        break;
      case "grpc-accept-encoding":
        this.grpcAccept = joined(this.grpcAccept, value);
        break;
      case "connect-timeout-ms":
        this.connectTimeout = value;
        break;
      case "triple-timeout-ms":
      case "tri-service-timeout":
        this.tripleTimeout = value;
        break;
      case "connect-protocol-version":
        this.connectVersion = value;
        break;
      case "content-encoding":
        this.contentEncoding = joined(this.contentEncoding, value);
        break;
      case "accept-encoding":
        this.accept = joined(this.accept, value);
        break;
      case "content-length":
        if (/^\d{1,15}$/.test(value)) this.contentLength = Number(value);
        break;
    }
  }
}

/** A list may come in several fields (RFC 9110 §5.3). */
function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`;
}
