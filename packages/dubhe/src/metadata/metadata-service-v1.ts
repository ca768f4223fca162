import type { CallOptions } from "@dubhe/rpc";
import {
  Code,
  type DescribedService,
  type MessageCodec,
  type MethodInfo,
  messageCodec,
  RpcError,
  type TripleRequestWrapper,
  TripleRequestWrapperSchema,
  type TripleResponseWrapper,
  TripleResponseWrapperSchema,
} from "@dubhe/rpc";

/** The version under which every Dubbo 3 peer serves MetadataService V1. */
export const metadataServiceV1Version = "1.0.0";
export const metadataServiceName = "org.apache.dubbo.metadata.MetadataService";

/** MetadataService V1 as Triple carries it: Java values, encoded as hessian2, in the messages of a wrapper. */
export interface MetadataServiceV1Client {
  getMetadataInfo(request: Partial<TripleRequestWrapper>, options?: CallOptions): Promise<TripleResponseWrapper>;
}

export interface MetadataServiceV1Impl {
  getMetadataInfo(request: TripleRequestWrapper): Promise<Partial<TripleResponseWrapper>>;
}

const refuse = (): never => {
  throw new RpcError(`${metadataServiceName} is called with hessian2 in protobuf, not with JSON`, Code.Unimplemented);
};
const noJson: MessageCodec = { encode: refuse, decode: refuse };

const getMetadataInfo: MethodInfo = Object.freeze<MethodInfo>({
  service: metadataServiceName,
  name: "getMetadataInfo",
  localName: "getMetadataInfo",
  kind: "unary",
  path: `/${metadataServiceName}/getMetadataInfo`,
  requestStream: false,
  responseStream: false,
  request: messageCodec(TripleRequestWrapperSchema),
  response: messageCodec(TripleResponseWrapperSchema),
  desc: undefined,
  description: {
    json: { request: noJson, response: noJson },
    serialization: "proto",
    clientMethod: (call) => call,
    thrown: undefined,
  },
});

/** Of the methods of Java's interface the one that consumers call. Not protobuf's, so reflection does not list it. */
export const MetadataServiceV1: DescribedService<MetadataServiceV1Client, MetadataServiceV1Impl> = Object.freeze({
  kind: "described",
  typeName: metadataServiceName,
  methods: [getMetadataInfo],
  routes: (impl: MetadataServiceV1Impl) => [
    {
      method: getMetadataInfo,
      handler: (request: unknown) => impl.getMetadataInfo(request as TripleRequestWrapper),
    },
  ],
});
