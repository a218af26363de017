import { Flags } from "#oclif";
import { BaseCommand } from "../base-command.js";

/** Gives manifests to a lab that runs. */
export default class LabApply extends BaseCommand {
  static override summary = "Create or change the objects of a lab from manifests";
  static override examples = ["<%= config.bin %> <%= command.id %> -f examples/demo"];
  static override flags = {
    filename: Flags.string({
      char: "f",
      summary: "manifest file or folder; may be repeated",
      multiple: true,
      required: true,
      helpValue: "PATH",
    }),
    name: Flags.string({ summary: "name of the lab (default: the only one there is, or default)" }),
    wait: Flags.boolean({ summary: "wait until nodes and pods are ready" }),
    timeout: Flags.integer({ summary: "seconds to wait", helpValue: "SECONDS", default: 120, min: 1, max: 86400 }),
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(LabApply);
    const { chooseLabName, openLab } = await import("../../lab/lab-access.js");
    const { applyManifests } = await import("../../lab/change-objects.js");
    const { loadManifests } = await import("../../lab/load-manifests.js");
    const { readKnownServices } = await import("../../lab/known-services.js");
    const { readKnownSettings } = await import("../../lab/known-settings.js");
    const name = chooseLabName(flags.name);
    const lab = openLab(name);
    const knownNodes = lab.file.nodes.map((node) => node.name);
    const knownServices = await readKnownServices(name);
    const settings = await readKnownSettings(name);
    const onNote = (line: string): void => this.note(line);
    const manifests = loadManifests(flags.filename, { knownNodes, knownServices, ...settings, onNote });
    for (const { name: object, change } of applyManifests(lab, manifests)) this.log(`${object} ${change}`);
    if (!flags.wait) return;
    const { awaitLab } = await import("../../lab/await-lab.js");
    const onProgress = (line: string): void => this.note(line);
    await awaitLab(lab.paths, { timeoutMs: flags.timeout * 1000, signal: this.signal, onProgress });
  }
}
