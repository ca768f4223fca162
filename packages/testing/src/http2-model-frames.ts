/** Streams that the peer may have open at a time, and the windows at the start. */
export const STREAMS = 3;
export const WINDOW = 65_535;
export const MAX_WINDOW = 0x7fff_ffff;

/** A frame of the peer. `which` chooses among the streams that there are when it comes: see `streamOf`. */
export type ModelFrame =
  | { readonly type: "HEADERS"; readonly which: number; readonly block: BlockName | "natural"; readonly end: boolean }
  | {
      readonly type: "DATA";
      readonly which: number;
      readonly size: number;
      readonly padding: number;
      readonly end: boolean;
    }
  | { readonly type: "RST_STREAM"; readonly which: number; readonly code: string }
  | { readonly type: "WINDOW_UPDATE"; readonly which: number; readonly increment: number }
  | { readonly type: "SETTINGS"; readonly setting: string; readonly value: number }
  | { readonly type: "GOAWAY"; readonly last: number }
  | { readonly type: "PING ACK" | "PING" | "SETTINGS ACK" | "PRIORITY" | "UNKNOWN" }
  /** Never right; with the codes that the RFC gives to it. */
  | { readonly type: "WRONG"; readonly line: string; readonly code: string };

/** A call of the layer above, on one of the last streams. */
export type ModelCall = { readonly call: string; readonly target: number; readonly size: number };
export type ModelStep = ModelFrame | ModelCall;

/** Header blocks that a peer sends, right or wrong where they come. */
export const modelBlocks = {
  request: ":method=POST :scheme=http :path=/",
  sized: ":method=POST :scheme=http :path=/ content-length=5",
  response: ":status=200",
  continue: ":status=100",
  trailers: "x=1",
  upper: "X=1",
};

export type BlockName = keyof typeof modelBlocks;

/** The frame as lines of frame text; `pings` = the numbers of the PINGs to answer. */
export function linesOf(step: ModelFrame, streamId: number, pings: readonly number[]): string[] {
  switch (step.type) {
    case "HEADERS":
      return [`HEADERS ${streamId} ${step.end ? "END_STREAM" : ""} ${modelBlocks[step.block as BlockName]}`];
    case "DATA": {
      const padding = step.padding < 0 ? "" : `pad=${step.padding}`;
      return [`DATA ${streamId} ${step.end ? "END_STREAM" : ""} ${padding} *${step.size}`];
    }
    case "RST_STREAM":
      return [`RST_STREAM ${streamId} ${step.code}`];
    case "WINDOW_UPDATE":
      return [`WINDOW_UPDATE ${streamId} ${step.increment}`];
    case "SETTINGS":
      return [`SETTINGS ${step.setting}=${step.value}`];
    case "GOAWAY":
      return [`GOAWAY ${step.last} NO_ERROR`];
    case "PING ACK":
      return pings.map((number) => `PING ACK ${number}`);
    case "PRIORITY":
      return ["PRIORITY 3 on=1"];
    case "UNKNOWN":
      return ["0x77 1 hex=00"];
    case "WRONG":
      return [step.line];
    default:
      return [step.type];
  }
}
