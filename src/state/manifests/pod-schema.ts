import { dnsLabel, dnsName, labels, portName, portNumber, protocol } from "./common-schemas.js";
import { boolean, ignored, ignoring, integer, list, map, object, oneOf, portReference, text } from "./schema.js";

const seconds = integer(0, 2_147_483_647);
const count = integer(1, 2_147_483_647);

const probe = object({
  httpGet: object({
    path: text,
    "port!": portReference,
    host: text,
    scheme: oneOf("HTTP", "HTTPS"),
    httpHeaders: list(object({ "name!": text, "value!": text })),
  }),
  tcpSocket: object({ "port!": portReference, host: text }),
  exec: object({ "command!": list(text, 1) }),
  grpc: ignored,
  initialDelaySeconds: seconds,
  periodSeconds: count,
  timeoutSeconds: count,
  successThreshold: count,
  failureThreshold: count,
  terminationGracePeriodSeconds: seconds,
});

const container = object({
  "name!": dnsLabel,
  image: text,
  command: list(text),
  args: list(text),
  workingDir: text,
  env: list(object({ "name!": text, value: text, valueFrom: ignored })),
  ports: list(
    object({ "containerPort!": portNumber, name: portName, protocol, hostPort: portNumber, hostIP: ignored }),
  ),
  livenessProbe: probe,
  readinessProbe: probe,
  startupProbe: probe,
  ...ignoring(
    "envFrom",
    "imagePullPolicy",
    "lifecycle",
    "resizePolicy",
    "resources",
    "restartPolicy",
    "securityContext",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
  ),
});

export const podSpec = object({
  "containers!": list(container, 1),
  nodeName: dnsName,
  nodeSelector: labels,
  restartPolicy: oneOf("Always", "OnFailure", "Never"),
  hostNetwork: boolean,
  hostname: dnsLabel,
  terminationGracePeriodSeconds: seconds,
  serviceAccountName: dnsName,
  ...ignoring(
    "activeDeadlineSeconds",
    "affinity",
    "automountServiceAccountToken",
    "dnsConfig",
    "dnsPolicy",
    "enableServiceLinks",
    "ephemeralContainers",
    "hostAliases",
    "hostIPC",
    "hostPID",
    "hostUsers",
    "imagePullSecrets",
    "initContainers",
    "os",
    "overhead",
    "preemptionPolicy",
    "priority",
    "priorityClassName",
    "readinessGates",
    "resourceClaims",
    "resources",
    "runtimeClassName",
    "schedulerName",
    "schedulingGates",
    "securityContext",
    "serviceAccount",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
    "subdomain",
    "tolerations",
    "topologySpreadConstraints",
    "volumes",
  ),
});

/** Only read to find two pods with one address; the lab's own status replaces it. */
export const podStatus = object({
  podIP: text,
  podIPs: list(map(text)),
  ...Object.fromEntries(
    [
      "conditions",
      "containerStatuses",
      "ephemeralContainerStatuses",
      "hostIP",
      "hostIPs",
      "initContainerStatuses",
      "message",
      "nominatedNodeName",
      "observedGeneration",
      "phase",
      "qosClass",
      "reason",
      "resize",
      "startTime",
    ].map((name) => [name, { kind: "ignored", isNoted: false } as const]),
  ),
});
