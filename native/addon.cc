// Exports of the addon. Each environment (main thread, worker) gets its own classes; nothing is shared between them but
// libbpf's print function.
#include "bpf_link.h"
#include "bpf_map.h"
#include "bpf_object.h"
#include "bpf_program.h"
#include "btf.h"
#include "libbpf_log.h"
#include "map_iterator.h"
#include "map_slice.h"
#include "net.h"
#include "perf_buffer.h"
#include "ring_buffer.h"
#include "run_stats.h"
#include "tc_filter.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  cts::LibbpfLog::Install();
  exports.Set("BpfMap", cts::BpfMap::Define(env));
  exports.Set("BpfObject", cts::BpfObject::Define(env));
  exports.Set("BpfProgram", cts::BpfProgram::Define(env));
  exports.Set("BpfLink", cts::BpfLink::Define(env));
  exports.Set("MapIterator", cts::MapIterator::Define(env));
  exports.Set("RunStats", cts::RunStats::Define(env));
  exports.Set("PerfBuffer", cts::PerfBuffer::Define(env));
  exports.Set("RingBuffer", cts::RingBuffer::Define(env));
  exports.Set("clsactAttach", Napi::Function::New<cts::ClsactAttach>(env));
  exports.Set("clsactDetach", Napi::Function::New<cts::ClsactDetach>(env));
  exports.Set("clsactDestroy", Napi::Function::New<cts::ClsactDestroy>(env));
  exports.Set("clsactFilters", Napi::Function::New<cts::ClsactFilters>(env));
  exports.Set("kernelEnum", Napi::Function::New<cts::KernelEnum>(env));
  exports.Set("kernelBtfIds", Napi::Function::New<cts::KernelBtfIds>(env));
  exports.Set("btfTypes", Napi::Function::New<cts::BtfTypes>(env));
  exports.Set("btfTypesByName", Napi::Function::New<cts::BtfTypesByName>(env));
  exports.Set("queryHook", Napi::Function::New<cts::QueryHook>(env));
  exports.Set("interfaceIndex", Napi::Function::New<cts::InterfaceIndex>(env));
  exports.Set("interfaceName", Napi::Function::New<cts::InterfaceName>(env));
  exports.Set("interfaceMac", Napi::Function::New<cts::InterfaceMac>(env));
  exports.Set("clockNs", Napi::Function::New<cts::ClockNs>(env));
  exports.Set("lookupBatchAsync", Napi::Function::New<cts::LookupBatchAsync>(env));
  exports.Set("netnsCookie", Napi::Function::New<cts::NetnsCookie>(env));
  exports.Set("possibleCpus", Napi::Function::New<cts::PossibleCpus>(env));
  exports.Set("mapIds", Napi::Function::New<cts::MapIds>(env));
  exports.Set("programIds", Napi::Function::New<cts::ProgramIds>(env));
  exports.Set("linkIds", Napi::Function::New<cts::LinkIds>(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(cilium_ts, Init)
