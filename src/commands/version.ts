import { Flags } from "#oclif";
import { BaseCommand } from "./base-command.js";

/** Prints this tool's version and what it runs on; loads neither the addon nor any client. */
export default class Version extends BaseCommand {
  static override summary = "Version of this tool and what it runs on";
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> -o json"];
  static override flags = {
    output: Flags.option({
      char: "o",
      summary: "output format",
      options: ["text", "json"] as const,
      default: "text" as const,
    })(),
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(Version);
    const facts = {
      version: this.config.version,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
    };
    this.log(
      flags.output === "json"
        ? JSON.stringify({ apiVersion: "cilium-ts.io/v1", kind: "Version", ...facts }, undefined, 2)
        : `kubectl cilium-ts ${facts.version} (node ${facts.node}, ${facts.platform})`,
    );
  }
}
