#include "run_stats.h"

#include <bpf/bpf.h>

namespace cts {

Napi::Function RunStats::Define(Napi::Env env) {
  return DefineClass(env, "RunStats",
                     {
                         InstanceMethod<&RunStats::Open>("open"),
                         InstanceMethod<&RunStats::Fd>("fd"),
                         InstanceMethod<&RunStats::Close>("close"),
                     });
}

RunStats::RunStats(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RunStats>(info) {}

Napi::Value RunStats::Open(const Napi::CallbackInfo& info) {
  return Status(info.Env(), fd_.Take(bpf_enable_stats(BPF_STATS_RUN_TIME)));
}

Napi::Value RunStats::Fd(const Napi::CallbackInfo& info) { return Status(info.Env(), fd_.get()); }

void RunStats::Close(const Napi::CallbackInfo&) { fd_.Reset(); }

}  // namespace cts
