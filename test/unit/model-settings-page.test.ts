import { expect, it } from "vitest";
import { agentSettings } from "../../src/model/agent-settings.js";
import type { Setting } from "../../src/model/setting.js";

const head = `# Settings of the agent

The agent reads them once, when it starts, from the ConfigMap \`cilium-config\` in namespace \`kube-system\`; in a lab it is a
manifest like any other. Keys, defaults and bounds are upstream Cilium's (release 1.20), so a \`cilium-config\` that exists can
be taken over: keys of features that this version does not have are refused unless they say "off", other keys of upstream are
passed over with a note, and an unknown key is an error that names the nearest known one.

This page is generated from \`src/model/agent-settings.ts\` (\`npx vitest run --project unit test/unit/model-settings-page -u\`).

| key | default | values | what |
|---|---|---|---|
`;

function row(setting: Setting<unknown>): string {
  const text = setting.format(setting.defaultValue);
  const cells = [`\`${setting.key}\``, text === "" ? "" : `\`${text}\``, setting.allowed, setting.description];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |\n`;
}

it("docs/settings.md lists every setting as it is", async () => {
  const settings = Object.values(agentSettings) as readonly Setting<unknown>[];
  const byKey = [...settings].sort((a, b) => (a.key < b.key ? -1 : 1));
  await expect(head + byKey.map(row).join("")).toMatchFileSnapshot("../../docs/settings.md");
});
