import { Flags } from "#oclif";
import { ctStates } from "../../model/rows.js";
import { boundedInteger, protocolFlag } from "./flag-types.js";

/**
 * Which rows, by what Kubernetes calls them. Flags that may be repeated take one value each time: a greedy one would
 * swallow the argument behind it (`--node a global`, `--proto tcp shop/web`).
 */
export const nameFilterFlags = {
  namespace: Flags.string({
    char: "n",
    summary: "only rows of this namespace's pods and services",
    helpValue: "NS",
    helpGroup: "FILTER",
  }),
  "all-namespaces": Flags.boolean({
    char: "A",
    summary: "rows of all namespaces (the default)",
    exclusive: ["namespace"],
    helpGroup: "FILTER",
  }),
  selector: Flags.string({
    char: "l",
    summary: "only rows of pods with these labels",
    helpValue: "SELECTOR",
    helpGroup: "FILTER",
  }),
  pod: Flags.string({
    summary: "only rows of this pod or address; may be repeated",
    helpValue: "[NS/]NAME|ADDRESS",
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: "FILTER",
  }),
};

export const serviceFilterFlag = {
  service: Flags.string({
    summary: "only rows of this Service's frontends and backends; may be repeated",
    helpValue: "[NS/]NAME",
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: "FILTER",
  }),
};

export const protocolFilterFlags = {
  proto: protocolFlag({
    summary: "tcp, udp, icmp … or a number; may be repeated",
    helpValue: "PROTO",
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: "FILTER",
  }),
  port: boundedInteger({
    summary: "port of either end; may be repeated",
    helpValue: "PORT",
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: "FILTER",
    min: 0,
    max: 65_535,
  }),
};

export const singleProtocolFlag = protocolFlag({
  summary: "tcp, udp … or a number",
  helpValue: "PROTO",
  helpGroup: "FILTER",
});

export const singlePortFlag = boundedInteger({
  summary: "port that was dialled, or the backend's",
  helpValue: "PORT",
  helpGroup: "FILTER",
  min: 1,
  max: 65_535,
});

export const identityFilterFlag = {
  identity: boundedInteger({
    summary: "numeric identity; may be repeated",
    helpValue: "ID",
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: "FILTER",
    min: 0,
    max: 0xffff_ffff,
  }),
};

export const stateFilterFlag = {
  state: Flags.option({
    summary: "state of the connection; may be repeated",
    options: ctStates,
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: "FILTER",
  })(),
};

/** Direction words differ between maps, so each command says its own. */
export function directionFilterFlag<const Word extends string>(words: readonly Word[]) {
  return {
    direction: Flags.option({
      summary: "direction; may be repeated",
      options: words,
      multiple: true,
      multipleNonGreedy: true,
      helpGroup: "FILTER",
    })(),
  };
}
