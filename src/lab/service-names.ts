import { closeSync, constants, existsSync, ftruncateSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { createWorkQueue, type WorkQueue } from "../lib/queue.js";
import type { KubeService } from "../model/kubernetes.js";
import type { Controller, SupervisorContext } from "./supervisor-context.js";

const ALL = "all";
/** Beyond this many, the files would cost more than the names are worth. */
const MAX_SERVICES = 5_000;
const SETTLE_MS = 100;

/**
 * A lab has no DNS server. Service names resolve through `/etc/hosts` instead, which every pod of a namespace sees bound from
 * one file: `cart`, `cart.shop`, `cart.shop.svc`, `cart.shop.svc.cluster.local`; with a line for each address of the Service.
 */
export class ServiceNames implements Controller {
  readonly #context: SupervisorContext;
  readonly #queue: WorkQueue;
  readonly #written = new Map<string, string>();

  constructor(context: SupervisorContext) {
    this.#context = context;
    this.#queue = createWorkQueue({
      reconcile: () => this.#writeAll(),
      onError: (_key, err) => context.log.error({ err }, "service names"),
    });
  }

  start(): void {
    this.#context.caches.services.onChange(() => this.#queue.addAfter(ALL, SETTLE_MS));
    this.#queue.add(ALL);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue.close();
  }

  servicesOf(namespace: string): readonly KubeService[] {
    const all = this.#context.caches.services;
    if (all.size > MAX_SERVICES) return [];
    return [...all.values()].filter((service) => (service.metadata.namespace ?? "default") === namespace);
  }

  /** Path of the namespace's file; it exists when this returns. */
  hostsFile(namespace: string): string {
    const path = join(this.#context.paths.hostsDir, namespace);
    if (!this.#written.has(namespace) || !existsSync(path)) this.#write(namespace);
    return path;
  }

  async #writeAll(): Promise<void> {
    for (const namespace of this.#written.keys()) this.#write(namespace);
  }

  #write(namespace: string): void {
    const text = this.#hostsText(namespace);
    const path = join(this.#context.paths.hostsDir, namespace);
    if (this.#written.get(namespace) === text && existsSync(path)) return;
    mkdirSync(dirname(path), { recursive: true });
    // In place, not replaced: pods hold this very file by its bind mount.
    const file = openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o644);
    ftruncateSync(file, writeSync(file, text, 0));
    closeSync(file);
    this.#written.set(namespace, text);
  }

  #hostsText(namespace: string): string {
    const lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"];
    const services = this.#context.caches.services;
    if (services.size > MAX_SERVICES) lines.push(`# ${services.size} Services: too many to name`);
    else for (const service of services.values()) lines.push(...hostsLines(service, namespace));
    return `${lines.join("\n")}\n`;
  }
}

function hostsLines(service: KubeService, from: string): readonly string[] {
  const { name, namespace = "default" } = service.metadata;
  const { clusterIP, clusterIPs = clusterIP ? [clusterIP] : [] } = service.spec;
  const names = [`${name}.${namespace}`, `${name}.${namespace}.svc`, `${name}.${namespace}.svc.cluster.local`];
  const addresses = clusterIPs.filter((address) => address !== "None");
  return addresses.map((address) => [address, ...(namespace === from ? [name] : []), ...names].join(" "));
}
