import { AgentError, type TimeoutError } from "../../lib/errors.js";
import { type KubeEndpointSlice, type KubeService, resourceTypes, SERVICE_NAME_LABEL } from "../../model/kubernetes.js";
import { nameService, nodeAddressesOf } from "../../model/named-service.js";
import type { NamedService } from "../../model/names-document.js";
import { createServiceTest, type ServiceQuery } from "../../model/service-query.js";
import { fetchAgentServices, isAgentFailure } from "../../session/agent-client.js";
import type { StateSource } from "../../state/state-source.js";

/** Who can be asked for Services. */
export interface ServiceDirectory {
  /** @throws AgentError, TimeoutError when nobody answers */
  find(query: ServiceQuery): Promise<readonly NamedService[]>;
}

/** An agent that answers at all tells of single Services within milliseconds; the next one knows the same. */
const answerTimeoutMs = 500;
/** Whole namespaces may be tens of thousands of Services. */
const longAnswerTimeoutMs = 5_000;
/** A thousand addresses of IPv6 fit the agent's limit of a request. */
const addressesAtOnce = 1000;

/** Asks agents, which hold every Service of the cluster in memory; one that failed is not asked again. */
export class AgentServices implements ServiceDirectory {
  readonly #sockets: string[];
  #failure: AgentError | TimeoutError = new AgentError("names-missing", "there is no agent to ask for names");

  constructor(sockets: readonly string[]) {
    this.#sockets = [...sockets];
  }

  async find(query: ServiceQuery): Promise<readonly NamedService[]> {
    const { addresses = [], ...rest } = query;
    const found: NamedService[] = [];
    for (let start = 0; start === 0 || start < addresses.length; start += addressesAtOnce) {
      const part = { ...(start === 0 ? rest : {}), addresses: addresses.slice(start, start + addressesAtOnce) };
      found.push(...(await this.#ask(part)));
    }
    return found;
  }

  async #ask(query: ServiceQuery): Promise<readonly NamedService[]> {
    const isLong = query.all === true || (query.namespaces?.length ?? 0) > 0;
    const timeoutMs = isLong ? longAnswerTimeoutMs : answerTimeoutMs;
    for (let socket = this.#sockets[0]; socket !== undefined; socket = this.#sockets[0]) {
      try {
        return await fetchAgentServices(socket, query, { timeoutMs });
      } catch (error) {
        if (!isAgentFailure(error)) throw error;
        this.#failure = error;
        this.#sockets.shift();
      }
    }
    throw this.#failure;
  }
}

/** Reads all Services and their EndpointSlices from the state, once: with tens of thousands that takes seconds. */
export class StateServices implements ServiceDirectory {
  readonly #state: StateSource;
  #read: Promise<StateContent> | undefined;

  constructor(state: StateSource) {
    this.#state = state;
  }

  async find(query: ServiceQuery): Promise<readonly NamedService[]> {
    this.#read ??= readContent(this.#state);
    const { services, slices, nodeAddresses } = await this.#read;
    return services.filter(createServiceTest(query)).map((service) => {
      const { namespace, name } = service.metadata;
      return nameService(service, slices.get(`${namespace}/${name}`) ?? [], nodeAddresses);
    });
  }
}

interface StateContent {
  readonly services: readonly KubeService[];
  /** By `namespace/name` of the Service. */
  readonly slices: ReadonlyMap<string, readonly KubeEndpointSlice[]>;
  readonly nodeAddresses: readonly string[];
}

async function readContent(state: StateSource): Promise<StateContent> {
  const [services, slices, nodes] = await Promise.all([
    state.list(resourceTypes.services),
    state.list(resourceTypes.endpointSlices),
    state.list(resourceTypes.nodes),
  ]);
  return {
    services: services.items,
    slices: groupByService(slices.items),
    nodeAddresses: nodeAddressesOf(nodes.items),
  };
}

function groupByService(slices: readonly KubeEndpointSlice[]): ReadonlyMap<string, readonly KubeEndpointSlice[]> {
  const groups = new Map<string, KubeEndpointSlice[]>();
  for (const slice of slices) {
    const key = `${slice.metadata.namespace}/${slice.metadata.labels?.[SERVICE_NAME_LABEL]}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [slice]);
    else group.push(slice);
  }
  return groups;
}

/** The first of two that answers; whoever did not is not asked again. */
export class FallbackServices implements ServiceDirectory {
  #first: ServiceDirectory | undefined;
  readonly #second: ServiceDirectory;

  constructor(first: ServiceDirectory, second: ServiceDirectory) {
    this.#first = first;
    this.#second = second;
  }

  async find(query: ServiceQuery): Promise<readonly NamedService[]> {
    if (this.#first !== undefined) {
      try {
        return await this.#first.find(query);
      } catch (error) {
        if (!isAgentFailure(error)) throw error;
        this.#first = undefined;
      }
    }
    return this.#second.find(query);
  }
}
