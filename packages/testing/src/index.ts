export { CountingClock } from "./counting-clock.js";
export { callStates, FakeCall, type FakeCallOptions } from "./fake-call.js";
export { FakeConnection, FakeNetwork, FakeStream } from "./fake-network.js";
export { type FakeEndpoint, FakeServiceView, resolvedEndpoint } from "./fake-service-view.js";
export { type LeakCheckOptions, leakCheck, withLeakCheck } from "./leak-check.js";
export { type Report, type TestRuntime, type TestRuntimeOptions, testRuntime } from "./test-runtime.js";
export { VirtualClock, type VirtualClockOptions } from "./virtual-clock.js";
export {
  type EchoError,
  EchoErrorSchema,
  echoHandlers,
  type EchoRequest,
  EchoRequestSchema,
  type EchoResponse,
  EchoResponseSchema,
  EchoService,
} from "./echo-service.js";
export { type ModelRegistryClientOptions, modelRegistry } from "./model-registry.js";
export { type ModelCounters, type ModelOperation, type ModelRegistryOptions, ModelRegistryServer } from "./model-registry-server.js";
export { registryContract } from "./registry-contract.js";
export type { RegistryCapability, RegistryContractOptions, RegistryHarness } from "./registry-contract-bench.js";
export { everySplit, FrameScript, type FrameScriptOptions, ScriptOutput } from "./frame-script.js";
export { FrameTextReader, fieldText, frameBytes, PREFACE } from "./frame-text.js";
export { type RpcPair, type RpcPairOptions, rpcPair } from "./rpc-pair.js";
export { FakeProviders, type ProviderBehaviour } from "./fake-providers.js";
export { ScriptedRegistry, type ScriptedRegistryOptions, ScriptedWish } from "./scripted-registry.js";
export { addressesOf, DiscoveryBench, type DiscoveryBenchOptions } from "./discovery-bench.js";
export { testCertificate } from "./test-certificate.js";
export { Kinds_Colour, type Kinds, KindsSchema, type UnusualKinds, UnusualKindsSchema } from "../gen/dubhe/testing/v1/kinds_pb.js";
