import { createSocket } from "node:dgram";
import { once } from "node:events";
import { addressPort } from "../../lib/ip.js";
import type { Logger } from "../../lib/log.js";
import type { DatapathFeature, LoadBalancerBackend, ServicesPort } from "../../model/datapath-port.js";
import { runCommand } from "../system/run-command.js";
import { type DiagnosedSocket, parseSockets } from "./parse-sockets.js";

const UDP = 17;
/** RFC 863: nobody has to be there. */
const DISCARD_PORT = 9;

export interface SocketTerminatorOptions {
  readonly services: Pick<ServicesPort, "socketsOf">;
  /** Paths of the pods' network namespaces. */
  readonly podNamespaces: () => readonly string[];
  readonly log: Logger;
}

/**
 * A connected UDP socket hears nothing of a backend that went: it sends into the void for ever. Those that the socket LB
 * connected are closed with ECONNABORTED (NETLINK_SOCK_DIAG's SOCK_DESTROY, by iproute2), so that their owner dials again.
 */
export class SocketTerminator {
  readonly #options: SocketTerminatorOptions;
  #isAble: boolean | undefined;

  constructor(options: SocketTerminatorOptions) {
    this.#options = options;
  }

  /** For `status`; nothing before {@link probe}. */
  features(): readonly DatapathFeature[] {
    if (this.#isAble === undefined) return [];
    const detail = this.#isAble
      ? "UDP sockets of a backend that is gone are closed"
      : "UDP sockets of a backend that is gone stay open (the kernel lacks CONFIG_INET_DIAG_DESTROY, or ss is missing)";
    return [{ name: "socket-termination", used: this.#isAble, detail }];
  }

  /** Tries it on a socket of its own: the kernel says nothing about SOCK_DESTROY (CONFIG_INET_DIAG_DESTROY) otherwise. */
  async probe(): Promise<boolean> {
    const socket = createSocket("udp4").on("error", () => {
      // ECONNABORTED: what is wanted.
    });
    try {
      socket.connect(DISCARD_PORT, "127.0.0.1");
      await once(socket, "connect");
      const { port } = socket.address();
      this.#isAble = (await killSocket([], `127.0.0.1:${port}`, `127.0.0.1:${DISCARD_PORT}`)) > 0;
    } catch (error) {
      this.#options.log.info({ err: error }, "UDP sockets of dead backends cannot be closed");
      this.#isAble = false;
    } finally {
      socket.close();
    }
    return this.#isAble;
  }

  /** Closes the sockets that were sent to these backends. */
  async terminate(backends: readonly LoadBalancerBackend[]): Promise<void> {
    const { services, podNamespaces, log } = this.#options;
    const dead = backends
      .filter(({ protocol }) => protocol === UDP)
      .flatMap((backend) => {
        const cookies = services.socketsOf(backend);
        return cookies.size === 0 ? [] : [{ peer: addressPort(backend.address, backend.port), cookies }];
      });
    if (dead.length === 0 || this.#isAble === false) return;
    const isDead = (socket: DiagnosedSocket): boolean =>
      dead.some(({ peer, cookies }) => socket.peer === peer && cookies.has(socket.cookie));
    for (const netns of [undefined, ...podNamespaces()]) {
      try {
        const closed = await closeSockets(netns, isDead);
        if (closed > 0) log.info({ netns, closed }, "UDP sockets of dead backends closed");
      } catch (error) {
        // A pod's namespace may go at any moment.
        log.debug({ err: error, netns }, "sockets of a namespace");
      }
    }
  }
}

async function closeSockets(netns: string | undefined, isDead: (socket: DiagnosedSocket) => boolean): Promise<number> {
  const enter = netns === undefined ? [] : ["nsenter", `--net=${netns}`, "--"];
  const { stdout } = await runCommand([...enter, "ss", "-Hune", "state", "connected"]);
  const found = parseSockets(stdout).filter(isDead);
  let closed = 0;
  for (const { local, peer } of found) closed += await killSocket(enter, local, peer);
  return closed;
}

/** How many sockets went: `ss -K` prints those that it could close, and passes over the others in silence. */
async function killSocket(enter: readonly string[], local: string, peer: string): Promise<number> {
  const { stdout } = await runCommand([...enter, "ss", "-K", "-Hun", "src", local, "dst", peer]);
  return stdout.split("\n").filter((line) => line !== "").length;
}
