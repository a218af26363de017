#pragma once

#include <bpf/libbpf.h>

#include <memory>

#include "record_reader.h"

namespace cts {

/// JS `RingBuffer`: the one reader of a BPF ring buffer.
class RingBuffer : public Napi::ObjectWrap<RingBuffer>, private RecordSource {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit RingBuffer(const Napi::CallbackInfo& info);

 private:
  struct FreeRing {
    void operator()(struct ring_buffer* ring) const { ring_buffer__free(ring); }
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
  static int OnRecord(void* self, void* data, size_t length);

  UniqueFd map_fd_;
  std::unique_ptr<struct ring_buffer, FreeRing> ring_;
  RecordReader reader_;
};

}  // namespace cts
