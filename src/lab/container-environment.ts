import type { Container, KubePod, KubeService } from "../model/kubernetes.js";
import { labToolDir } from "./lab-tool.js";

export interface EnvironmentFacts {
  readonly pod: KubePod;
  /** One for each family. */
  readonly podIps: readonly string[];
  readonly hostIp: string;
  /** Services of the pod's namespace. */
  readonly services: readonly KubeService[];
}

/**
 * The environment of a container: what every pod has, the Services of its namespace, then what the manifest says.
 * https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
 */
export function containerEnvironment(container: Container, facts: EnvironmentFacts): Readonly<Record<string, string>> {
  const { metadata, spec } = facts.pod;
  const environment: Record<string, string> = {
    PATH: `${labToolDir}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: "/root",
    HOSTNAME: spec.hostname ?? metadata.name,
    POD_NAME: metadata.name,
    POD_NAMESPACE: metadata.namespace ?? "default",
    POD_UID: metadata.uid ?? "",
    POD_IP: facts.podIps[0] ?? "",
    POD_IPS: facts.podIps.join(),
    NODE_NAME: spec.nodeName ?? "",
    HOST_IP: facts.hostIp,
  };
  for (const service of facts.services) Object.assign(environment, serviceVariables(service));
  for (const { name, value = "" } of container.env ?? []) environment[name] = expandReferences(value, environment);
  return environment;
}

function serviceVariables(service: KubeService): Readonly<Record<string, string>> {
  const { clusterIP, ports = [] } = service.spec;
  const first = ports[0];
  if (clusterIP === undefined || clusterIP === "" || clusterIP === "None" || first === undefined) return {};
  const prefix = service.metadata.name.toUpperCase().replaceAll(/[-.]/g, "_");
  const variables: Record<string, string> = {
    [`${prefix}_SERVICE_HOST`]: clusterIP,
    [`${prefix}_SERVICE_PORT`]: String(first.port),
  };
  for (const port of ports) {
    if (port.name !== undefined)
      variables[`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll("-", "_")}`] = String(port.port);
  }
  return variables;
}

/** `$(NAME)` becomes the variable, `$$(NAME)` the text `$(NAME)`; unknown names stay. As the kubelet does it. */
export function expandReferences(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$(\$)|\$\(([A-Za-z_][\w.-]*)\)/g, (whole, escaped?: string, name?: string) => {
    if (escaped !== undefined) return "$";
    return variables[name ?? ""] ?? whole;
  });
}
