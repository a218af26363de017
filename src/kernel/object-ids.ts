import { loadAddon } from "./addon.js";
import { checkStatus, checkValue } from "./kernel-error.js";

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

/**
 * Makes the kernel count runs and run time of all programs until the handle is disposed of (5.8). By descriptor, never by
 * the sysctl: it ends with the process, and other users of the statistics are left alone.
 */
export function openRunStats(): Disposable {
  const addon = loadAddon();
  let fd = checkStatus(addon.openRunStats(), () => ({ code: "run-stats", attempt: "switch on run statistics" }));
  return {
    [Symbol.dispose]() {
      if (fd >= 0) addon.closeFd(fd);
      fd = -1;
    },
  };
}
