import { Flags } from "#oclif";
import { openTarget } from "../../actions/open-target.js";
import { decidePolicyVerdict } from "../../actions/policy/decide-policy-verdict.js";
import { ExitCode } from "../../lib/errors.js";
import { policyVerdictList } from "../../output/lists/policy-verdict-list.js";
import { listFlags } from "../flags/list-flags.js";
import { targetFlags, targetOf } from "../flags/target-flags.js";
import { ReadCommand } from "../read-command.js";

/** The answer without traffic. */
export default class PolicyVerdict extends ReadCommand {
  static override summary = "Say whether policies allow a connection, and by which rules";
  static override description =
    "No packet is sent: both ends' policies are compiled as the agents do it and asked as the datapath does it. Ends with code 3 when the connection is denied.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> --from shop/client --to shop/cart --port 80/tcp",
    "<%= config.bin %> <%= command.id %> --from world --to shop/web --port 443/tcp -f proposed.yaml",
  ];
  static override flags = {
    from: Flags.string({
      summary: "who connects: pod, node, address or entity",
      helpValue: "NS/POD|node/NAME|IP|ENTITY",
      required: true,
    }),
    to: Flags.string({
      summary: "whom: pod, Service, node, address or entity",
      helpValue: "NS/POD|NS/SVC|node/NAME|IP",
      required: true,
    }),
    port: Flags.string({
      summary: "port and protocol (default tcp); type and icmp",
      helpValue: "PORT[/PROTOCOL]",
      required: true,
    }),
    filename: Flags.string({
      char: "f",
      summary: "manifest of policies as if they were applied; may be repeated",
      helpValue: "PATH",
      multiple: true,
      multipleNonGreedy: true,
    }),
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(PolicyVerdict);
    await using target = await openTarget(targetOf(flags));
    const { from, to, port, filename: filenames = [] } = flags;
    let isAllowed = true;
    const open = async () => {
      const answer = await decidePolicyVerdict(target, { from, to, port, filenames });
      isAllowed = answer.isAllowed;
      return answer.rows;
    };
    await this.printRows(policyVerdictList, flags, open, {
      exitCode: () => (isAllowed ? ExitCode.ok : ExitCode.finding),
    });
  }
}
