#pragma once

#include <bpf/libbpf.h>

#include <memory>

#include "record_reader.h"

namespace cts {

/// JS `PerfBuffer`: the reader of a perf event array, with a buffer and a slot of the map for each CPU. A slot holds one
/// reader: opening takes it from whoever was there, so JavaScript only lets maps of our own come here.
class PerfBuffer : public Napi::ObjectWrap<PerfBuffer>, private RecordSource {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit PerfBuffer(const Napi::CallbackInfo& info);

 private:
  struct FreeBuffer {
    void operator()(struct perf_buffer* buffer) const { perf_buffer__free(buffer); }
  };

  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Start(const Napi::CallbackInfo& info);
  Napi::Value Drain(const Napi::CallbackInfo& info);
  void Pause(const Napi::CallbackInfo& info);
  void Resume(const Napi::CallbackInfo& info);
  void SetHoldsLoop(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  int EpollFd() const override;
  int Consume() override;
  static enum bpf_perf_event_ret OnEvent(void* self, int cpu, struct perf_event_header* event);

  UniqueFd map_fd_;  // the slots are emptied through it
  std::unique_ptr<struct perf_buffer, FreeBuffer> buffer_;
  size_t next_cpu_ = 0;  // whose records come first: each one's in turn, or a busy one would starve the others
  RecordReader reader_;
};

}  // namespace cts
