import type { RowSelection } from "../../actions/row-selection.js";

/** What the filter flags and the other filters ask for; commands have some of them. */
export function toRowSelection(flags: {
  readonly namespace?: string | undefined;
  readonly selector?: string | undefined;
  readonly pod?: readonly string[] | undefined;
  readonly service?: readonly string[] | undefined;
  readonly proto?: readonly number[] | undefined;
  readonly port?: readonly number[] | undefined;
  readonly identity?: readonly number[] | undefined;
  readonly direction?: readonly string[] | undefined;
}): RowSelection {
  return {
    namespace: flags.namespace,
    selector: flags.selector,
    pods: flags.pod,
    services: flags.service,
    protocols: flags.proto,
    ports: flags.port,
    identities: flags.identity,
    directions: flags.direction,
  };
}
