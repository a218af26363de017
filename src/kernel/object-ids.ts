import { loadAddon } from "./addon.js";
import { checkValue } from "./kernel-error.js";

/** Ids of all maps, programs and links of the machine, of all namespaces. Needs CAP_SYS_ADMIN. */
export function listMapIds(): readonly number[] {
  return checkValue(loadAddon().mapIds(), () => ({ code: "id-list", attempt: "list the ids of all maps" }));
}

export function listProgramIds(): readonly number[] {
  return checkValue(loadAddon().programIds(), () => ({ code: "id-list", attempt: "list the ids of all programs" }));
}

export function listLinkIds(): readonly number[] {
  return checkValue(loadAddon().linkIds(), () => ({ code: "id-list", attempt: "list the ids of all links" }));
}
