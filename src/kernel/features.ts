import { KernelError } from "../lib/errors.js";
import { loadAddon } from "./addon.js";
import { requireText } from "./arguments.js";
import { missingBpfCapabilities } from "./failure-hint.js";
import { disabledFeatures } from "./feature-mask.js";
import { featureProbes } from "./feature-table.js";
import { KernelTypes } from "./feature-trial.js";

export interface KernelFeature {
  readonly name: string;
  readonly available: boolean;
  /** True when `CTS_DISABLE_FEATURES` names it: it counts as missing, whatever the kernel can do. */
  readonly masked: boolean;
  /** How it was found out. */
  readonly probed: string;
  /** What the product does without it. */
  readonly costWhenMissing: string;
  /** First kernel release that has it. */
  readonly since: string;
  /** Sections of programs that cannot be loaded without it, by how they begin; left out: any program may need it. */
  readonly sections?: readonly string[];
}

/**
 * Tries every feature on this kernel; some twenty milliseconds, leaves nothing behind. Distributions carry features to older
 * kernels and switch them off on newer ones, so the release number proves nothing.
 *
 * @throws KernelError `feature-probe` without BPF rights: everything would look missing
 */
export function probeKernelFeatures(
  options: { readonly disabled?: ReadonlySet<string> } = {},
): readonly KernelFeature[] {
  const missing = missingBpfCapabilities();
  if (missing.length > 0) {
    throw new KernelError("feature-probe", `cannot probe the kernel's features: no ${missing.join(", ")}`, {
      hint: "Run as root, or give the process CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.",
      details: { operation: "feature-probe", errno: "EPERM", missing },
    });
  }
  const addon = loadAddon();
  const disabled = options.disabled ?? disabledFeatures();
  const kernelTypes = new KernelTypes(addon);
  return featureProbes.map(({ run, ...feature }) => {
    const masked = disabled.has(feature.name);
    return { ...feature, masked, available: !masked && run(addon, kernelTypes) };
  });
}

/** Tries one feature; undefined when this process may not ask, or when there is no such feature. */
export function isFeatureAvailable(name: string): boolean | undefined {
  requireText(name, "name", 63);
  if (missingBpfCapabilities().length > 0) return undefined;
  const probe = featureProbes.find((feature) => feature.name === name);
  if (probe === undefined) return undefined;
  const addon = loadAddon();
  return !disabledFeatures().has(name) && probe.run(addon, new KernelTypes(addon));
}

/** For the hint of a refused call: that this kernel lacks a feature, and what instead; undefined when it has it or may not be asked. */
export function describeMissingFeature(name: string): string | undefined {
  if (isFeatureAvailable(name) !== false) return undefined;
  const feature = featureProbes.find((probe) => probe.name === name);
  return `This kernel lacks ${name} (since ${feature?.since}): ${feature?.costWhenMissing}.`;
}

/**
 * For the hint of a refused load: what this kernel lacks that programs of these sections may need; undefined when it lacks
 * nothing or may not be asked.
 */
export function describeMissingFeatures(programSections: readonly string[]): string | undefined {
  if (missingBpfCapabilities().length > 0) return undefined;
  const isConcerned = ({ sections }: KernelFeature) =>
    sections === undefined || programSections.some((name) => sections.some((begin) => name.startsWith(begin)));
  const missing = probeKernelFeatures().filter((feature) => !feature.available && isConcerned(feature));
  if (missing.length === 0) return undefined;
  return `This kernel lacks ${missing.map((feature) => `${feature.name} (since ${feature.since})`).join(", ")}.`;
}
