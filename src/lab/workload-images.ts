import type { Container } from "../model/kubernetes.js";
import { labToolPath } from "./lab-tool.js";

/** What a container runs, or why it cannot run. */
export type ContainerCommand =
  | { readonly kind: "command"; readonly argv: readonly string[] }
  | { readonly kind: "unknown-image"; readonly message: string };

/** Images that the lab brings itself; a registry, folder and tag before and after the name are ignored. */
export const builtInImages = ["echo", "client"] as const;
type BuiltInImage = (typeof builtInImages)[number];

function builtInImage(image: string | undefined): BuiltInImage | undefined {
  const name = image?.split("/").at(-1)?.split(/[:@]/)[0];
  return builtInImages.find((known) => known === name);
}

/** Every declared port is served; TCP ports speak HTTP and lines, as the client begins. */
function echoPorts(container: Container): readonly string[] {
  return (container.ports ?? []).flatMap((port) => {
    if (port.protocol === "UDP") return ["--udp", String(port.containerPort)];
    return port.protocol === "SCTP" ? [] : ["--tcp", String(port.containerPort)];
  });
}

/** The argv of a container: its command from this machine's file system, or that of a built-in image. */
export function containerCommand(container: Container): ContainerCommand {
  const { command = [], args = [] } = container;
  if (command.length > 0) return { kind: "command", argv: [...command, ...args] };
  const image = builtInImage(container.image);
  if (image === undefined) return { kind: "unknown-image", message: unknownImage(container) };
  const defaults = image === "echo" ? echoPorts(container) : [];
  return { kind: "command", argv: [labToolPath, image, ...(args.length > 0 ? args : defaults)] };
}

function unknownImage(container: Container): string {
  const image = container.image === undefined ? "no image" : `image "${container.image}"`;
  const known = builtInImages.join(" and ");
  return `container ${container.name} has ${image} and no command: a lab runs ${known}, or a command from this machine's file system`;
}

/** Why a container cannot run, in words; undefined when it can. */
export function problemOfContainer(container: Container): string | undefined {
  const command = containerCommand(container);
  return command.kind === "unknown-image" ? command.message : undefined;
}
