import type { DescFile } from "@bufbuild/protobuf";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionV1Alpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.js";
import { Code } from "../code.js";
import { RpcError } from "../rpc-error.js";
import type { RpcServer, ServiceOptions } from "../server/rpc-server.js";
import { Catalogue, type ReflectionAnswer, type ReflectionQuestion } from "./catalogue.js";
import { ReflectionSession, type ReflectionSessions } from "./reflection-session.js";

/** All optional. */
export interface ReflectionOptions {
  /** Further files to tell of, beside those of the services and what they import: types within `Any`, extensions. */
  readonly files?: readonly DescFile[];
}

interface Request {
  readonly host: string;
  readonly messageRequest: ReflectionQuestion;
}

interface Response<Q extends Request> {
  readonly validHost: string;
  readonly originalRequest: Q;
  readonly messageResponse: ReflectionAnswer;
}

/**
 * Serves reflection, v1 and v1alpha: which services the server has at that moment, and their descriptors. The server's
 * `close` ends the sessions with UNAVAILABLE, so that they never hold it up.
 */
export function addReflection(server: RpcServer, options: ReflectionOptions & ServiceOptions = {}): void {
  const { files = [], ...serviceOptions } = options;
  const catalogue = new Catalogue(server.router, files);
  const sessions: ReflectionSessions = new Set();
  const serverReflectionInfo = <Q extends Request>(requests: AsyncIterable<Q>): AsyncIterable<Response<Q>> => {
    const sent = new Set<string>();
    const respond = (request: Q): Response<Q> => ({
      validHost: request.host,
      originalRequest: request,
      messageResponse: catalogue.answer(request.messageRequest, sent),
    });
    return new ReflectionSession(requests, respond, sessions);
  };
  server.add(ServerReflection, { serverReflectionInfo }, serviceOptions);
  server.add(ServerReflectionV1Alpha, { serverReflectionInfo }, serviceOptions);
  server.onClosing(() => {
    for (const session of [...sessions]) session.stop(new RpcError("the server is shutting down", Code.Unavailable));
  });
}
