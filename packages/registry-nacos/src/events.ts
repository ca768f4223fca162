/** What happens in a Nacos or embedded registry. For logs, metrics and tests; nothing waits for it. */
export type NacosEvent =
  | { readonly kind: "connecting"; readonly server: string }
  | { readonly kind: "connected"; readonly server: string; readonly epoch: number; readonly connectionId: string }
  /** A session was lost, or an attempt at one failed. */
  | { readonly kind: "disconnected"; readonly server: string; readonly error: Error; readonly retryInMs: number }
  | { readonly kind: "login"; readonly server: string; readonly error: Error | undefined }
  /** A full list came. `repair`: only the periodic query brought it, so a push was lost. */
  | {
      readonly kind: "list";
      readonly application: string;
      readonly epoch: number;
      readonly source: "answer" | "push" | "refresh" | "repair";
      readonly verdict: "applied" | "identical" | "outdated";
      readonly instances: number;
      readonly malformed: number;
    }
  | { readonly kind: "registered"; readonly application: string; readonly instances: number }
  | { readonly kind: "registration-failed"; readonly application: string; readonly error: Error }
  | {
      readonly kind: "config";
      readonly group: string;
      readonly dataId: string;
      readonly epoch: number;
      readonly present: boolean;
    }
  | { readonly kind: "published"; readonly group: string; readonly dataId: string; readonly forced: boolean }
  /** What this process had published was gone, and is written again. */
  | { readonly kind: "healing"; readonly group: string; readonly dataId: string }
  /** This process became the host of the embedded registry. */
  | { readonly kind: "host-started"; readonly port: number }
  | { readonly kind: "host-ended"; readonly port: number }
  | { readonly kind: "election-lost"; readonly port: number };

/** Must not throw; what it throws is reported. Undefined = nobody listens, and no event is made. */
export type NacosEventListener = (event: NacosEvent) => void;
