#pragma once

#include <bpf/libbpf.h>
#include <uv.h>

#include <memory>
#include <vector>

#include "common.h"

namespace cts {

/// JS `RingBuffer`: the one reader of a BPF ring buffer, on the event loop of the environment that made it. All records of
/// a wake-up arrive in one callback as one Buffer and a Uint32Array of (offset, length) pairs.
class RingBuffer : public Napi::ObjectWrap<RingBuffer> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit RingBuffer(const Napi::CallbackInfo& info);
  ~RingBuffer() override;

 private:
  // The libuv handles outlive the JS object by the turn of the loop that libuv needs to close them.
  struct Watcher {
    uv_poll_t poll;
    uv_timer_t timer;
    RingBuffer* owner;
    bool is_timed;
    uint64_t interval_ms;
    napi_async_cleanup_hook_handle cleanup;
  };
  struct FreeRing {
    void operator()(struct ring_buffer* ring) const { ring_buffer__free(ring); }
  };

  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Start(const Napi::CallbackInfo& info);
  Napi::Value Drain(const Napi::CallbackInfo& info);
  void SetHoldsLoop(const Napi::CallbackInfo& info);
  void CloseFromJs(const Napi::CallbackInfo& info);

  static int OnRecord(void* self, void* data, size_t length);
  static void OnReadable(uv_poll_t* poll, int status, int events);
  static void OnTimer(uv_timer_t* timer);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* watcher);

  void StopWatching();
  static void CloseHandles(Watcher* watcher);
  /// Reads up to one callback's worth of records into the scratch buffers.
  int Collect();
  void Deliver(bool from_loop);
  void DestroyContext(napi_env env);

  std::unique_ptr<struct ring_buffer, FreeRing> ring_;
  UniqueFd map_fd_;
  Napi::FunctionReference callback_;
  napi_async_context async_context_ = nullptr;
  Watcher* watcher_ = nullptr;
  std::vector<uint8_t> bytes_;
  std::vector<uint32_t> records_;
  bool has_more_ = false;
  bool is_delivering_ = false;
};

}  // namespace cts
