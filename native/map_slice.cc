#include "map_slice.h"

#include <bpf/bpf.h>
#include <time.h>

#include <array>
#include <cstring>

#include "async_call.h"

namespace cts {

namespace {

/// CPU time of this thread: a call that had to wait for a CPU has not held one.
uint64_t ThreadNanoseconds() {
  struct timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(time.tv_nsec);
}

class LookupBatchCall : public AsyncCall {
 public:
  explicit LookupBatchCall(const Napi::CallbackInfo& info) : count_(U32(info[5])) {
    Duplicate(I32(info[0]), &map_);
    for (size_t i = 0; i < buffers_.size(); i++) {
      const Napi::Value& buffer = info[kBufferArguments[i]];
      bytes_[i] = BytesOf(buffer);
      if (bytes_[i] != nullptr) buffers_[i] = Napi::Persistent(buffer.As<Napi::Object>());
    }
  }

  int Run() override {
    const auto [cursor_in, cursor_out, keys, values, outcome] = bytes_;
    uint32_t count = count_;
    const uint64_t started = ThreadNanoseconds();
    const int rc = bpf_map_lookup_batch(map_.get(), cursor_in, cursor_out, keys, values, &count, nullptr);
    const std::array<uint64_t, 2> words = {count, ThreadNanoseconds() - started};
    memcpy(outcome, words.data(), sizeof(words));
    return rc;
  }

  void Finish() override {
    for (auto& buffer : buffers_) buffer.Reset();
  }

 private:
  static constexpr std::array<size_t, 5> kBufferArguments = {1, 2, 3, 4, 6};

  UniqueFd map_;
  std::array<Napi::ObjectReference, 5> buffers_;
  std::array<uint8_t*, 5> bytes_ = {};
  uint32_t count_;
};

}  // namespace

Napi::Value LookupBatchAsync(const Napi::CallbackInfo& info) {
  return AsyncCall::Start(info.Env(), std::make_unique<LookupBatchCall>(info));
}

}  // namespace cts
