import { createServer, type Server } from "node:http";
import type { Logger } from "../../lib/log.js";
import { parseObjectKey } from "../../model/kube-object.js";
import type { ServiceHealthCheck } from "../../model/load-balancing.js";

interface HeldCheck {
  readonly port: number;
  readonly server: Server;
  localEndpoints: number;
  problem: string | undefined;
}

/**
 * kube-proxy's health checks: on a Service's healthCheckNodePort external balancers read how many endpoints this node has of
 * it, 503 for none, so that they send to nodes that need not send on.
 */
export class HealthCheckServers implements AsyncDisposable {
  readonly #options: { readonly log: Logger; readonly onProblems: () => void };
  readonly #held = new Map<string, HeldCheck>();

  constructor(options: { readonly log: Logger; readonly onProblems: () => void }) {
    this.#options = options;
  }

  /** @param service `namespace/name`  @param wanted undefined: none (any more) */
  set(service: string, wanted: ServiceHealthCheck | undefined): void {
    const held = this.#held.get(service);
    if (held !== undefined && held.port === wanted?.port) {
      held.localEndpoints = wanted.localEndpoints;
      return;
    }
    held?.server.close();
    held?.server.closeAllConnections();
    this.#held.delete(service);
    if (wanted !== undefined) this.#open(service, wanted);
  }

  problems(): readonly string[] {
    return [...this.#held.values()].flatMap(({ problem }) => problem ?? []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const service of [...this.#held.keys()]) this.set(service, undefined);
  }

  #open(service: string, { port, localEndpoints }: ServiceHealthCheck): void {
    const { namespace, name } = parseObjectKey(service);
    const server = createServer((_request, response) => {
      const { localEndpoints: count } = held;
      response.writeHead(count > 0 ? 200 : 503, {
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "X-Load-Balancing-Endpoint-Weight": String(count),
      });
      const body = { service: { namespace, name }, localEndpoints: count, serviceProxyHealthy: true };
      response.end(JSON.stringify(body));
    });
    const held: HeldCheck = { port, server, localEndpoints, problem: undefined };
    this.#held.set(service, held);
    server.on("error", (error) => {
      held.problem = `Service ${service}: its health check port ${port} cannot be opened: ${error.message}`;
      this.#options.log.warn({ err: error, service, port }, "health check port");
      this.#options.onProblems();
    });
    // Every address of the node, of both families where the kernel has IPv6.
    server.listen(port);
  }
}
