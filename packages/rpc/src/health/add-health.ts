import { Health as HealthService } from "../../gen/grpc/health/v1/health_pb.js";
import type { RpcServer, ServiceOptions } from "../server/rpc-server.js";
import { Health } from "./health.js";

/**
 * Serves `grpc.health.v1.Health`. The server as a whole ("") is SERVING from now on; the rest is for the application to say.
 * The server's `close` makes everything NOT_SERVING and ends the watches, which therefore never hold it up.
 */
export function addHealth(server: RpcServer, options: ServiceOptions = {}): Health {
  const health = new Health(server.env.runtime);
  health.setStandard("", "SERVING");
  server.add(HealthService, health.implementation, options);
  server.onClosing(() => health.close());
  return health;
}
