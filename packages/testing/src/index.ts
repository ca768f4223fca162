export { audience, bounds, DescribedService } from "../gen/dubhe/testing/v1/described_pb.js";
export {
  type Kinds,
  Kinds_Colour,
  KindsSchema,
  type UnusualKinds,
  UnusualKindsSchema,
} from "../gen/dubhe/testing/v1/kinds_pb.js";
export { CountingClock } from "./counting-clock.js";
export { addressesOf, DiscoveryBench, type DiscoveryBenchOptions } from "./discovery-bench.js";
export {
  type EchoError,
  EchoErrorSchema,
  type EchoRequest,
  EchoRequestSchema,
  type EchoResponse,
  EchoResponseSchema,
  EchoService,
  echoHandlers,
} from "./echo-service.js";
export { callStates, FakeCall, type FakeCallOptions } from "./fake-call.js";
export { FakeConnection, FakeNetwork, FakeStream } from "./fake-network.js";
export { FakeProviders, type ProviderBehaviour } from "./fake-providers.js";
export { type FakeEndpoint, FakeServiceView, resolvedEndpoint } from "./fake-service-view.js";
export { everySplit, FrameScript, type FrameScriptOptions, ScriptOutput } from "./frame-script.js";
export { FrameTextReader, fieldText, frameBytes, PREFACE } from "./frame-text.js";
export { Http2Model } from "./http2-model.js";
export { MAX_WINDOW, type ModelCall, type ModelFrame, type ModelStep, modelBlocks } from "./http2-model-frames.js";
export { type LeakCheckOptions, leakCheck, withLeakCheck } from "./leak-check.js";
export { type ModelRegistryClientOptions, modelRegistry } from "./model-registry.js";
export {
  type ModelCounters,
  type ModelOperation,
  type ModelRegistryOptions,
  ModelRegistryServer,
} from "./model-registry-server.js";
export { registryContract } from "./registry-contract.js";
export type { RegistryCapability, RegistryContractOptions, RegistryHarness } from "./registry-contract-bench.js";
export { type RpcPair, type RpcPairOptions, rpcPair } from "./rpc-pair.js";
export { ScriptedRegistry, type ScriptedRegistryOptions, ScriptedWish } from "./scripted-registry.js";
export { type CertificateRequest, type IssuedCertificate, TestAuthority } from "./test-authority.js";
export { testCertificate } from "./test-certificate.js";
export { type Report, type TestRuntime, type TestRuntimeOptions, testRuntime } from "./test-runtime.js";
export { VirtualClock, type VirtualClockOptions } from "./virtual-clock.js";
