import type { Endpoint } from "@dubhe/rpc";

/** What the services of an App together do to one endpoint. Lives as long as the endpoint does, whichever directories come and go. */
export class EndpointLoad {
  /** Attempts picked and not done. */
  inFlight = 0;
}

export function loadOf(endpoint: Endpoint): EndpointLoad {
  if (endpoint.memo instanceof EndpointLoad) return endpoint.memo;
  const load = new EndpointLoad();
  endpoint.memo = load;
  return load;
}
