import type { CompiledPolicy, CompileOptions } from "./compiled-policy.js";

/** The policy of one endpoint as the datapath needs it (bpf/lib/policy.h): pure, and the same for rules in any order. */
export function compilePolicy(_options: CompileOptions): CompiledPolicy {
  throw new Error("follows");
}
