import { Args, Flags } from "#oclif";
import { UsageError } from "../../lib/errors.js";
import type { ObjectRef } from "../../model/kube-object.js";
import { BaseCommand } from "../base-command.js";

/** Deletes objects of a lab. */
export default class LabDelete extends BaseCommand {
  static override summary = "Delete objects of a lab, by manifest or by kind and name";
  static override examples = [
    "<%= config.bin %> <%= command.id %> -f examples/demo",
    "<%= config.bin %> <%= command.id %> pod web -n shop",
    "<%= config.bin %> <%= command.id %> pod shop/web",
  ];
  static override strict = false;
  static override args = {
    kind: Args.string({ description: "pod, deployment, service, node, namespace …" }),
    name: Args.string({ description: "name of the object; may be repeated" }),
  };
  static override flags = {
    filename: Flags.string({
      char: "f",
      summary: "manifest file or folder; may be repeated",
      multiple: true,
      helpValue: "PATH",
    }),
    name: Flags.string({ summary: "name of the lab (default: the only one there is, or default)" }),
    namespace: Flags.string({ char: "n", summary: "namespace of the object", default: "default" }),
    "grace-period": Flags.integer({
      summary: "seconds a pod has to end by itself",
      helpValue: "SECONDS",
      min: 0,
      max: 86400,
    }),
  };

  override async run(): Promise<void> {
    const { flags, argv } = await this.parse(LabDelete);
    const { chooseLabName, openLab } = await import("../../lab/lab-access.js");
    const { deleteFromLab, parseResourceType } = await import("../../lab/change-objects.js");
    const { loadManifests } = await import("../../lab/load-manifests.js");
    const words = pairsOf(argv as string[]);
    if ((argv.length === 0) === (flags.filename === undefined) || words === undefined)
      throw new UsageError("delete-what", "say what to delete: KIND NAME…, KIND/NAME…, or -f PATH");
    const named = words.map(([kind, name]) => {
      const type = parseResourceType(kind);
      return { type, ref: refOf(name, type.namespaced, flags.namespace) };
    });
    const lab = openLab(chooseLabName(flags.name));
    const knownNodes = lab.file.nodes.map((node) => node.name);
    const manifests = loadManifests(flags.filename ?? [], { knownNodes, onNote: (line) => this.note(line) });
    const described = manifests.map(({ type: ofManifest, object }) => ({ type: ofManifest, ref: object.metadata }));
    for (const { type: one, ref } of [...named, ...described]) {
      const options = { type: one, ref, graceSeconds: flags["grace-period"] };
      const { name, change } = await deleteFromLab(lab, options);
      this.log(`${name} ${change}`);
    }
  }
}

/** As kubectl has it: `pod web cart`, or `pod/web service/cart`. Undefined where a name is missing. */
function pairsOf([first = "", ...rest]: readonly string[]):
  | readonly (readonly [kind: string, name: string])[]
  | undefined {
  if (first === "") return [];
  if (!first.includes("/")) return rest.length === 0 ? undefined : rest.map((name) => [first, name]);
  const pairs = [first, ...rest].map((text): readonly [string, string] => {
    const slash = text.indexOf("/");
    return [text.slice(0, slash), text.slice(slash + 1)];
  });
  return pairs.every(([kind, name]) => kind !== "" && name !== "") ? pairs : undefined;
}

/** `shop/web` is a pod's name in every other command, so it is here too. */
function refOf(text: string, isNamespaced: boolean, namespace: string): ObjectRef {
  if (!isNamespaced) return { name: text };
  const slash = text.indexOf("/");
  return slash < 0 ? { namespace, name: text } : { namespace: text.slice(0, slash), name: text.slice(slash + 1) };
}
