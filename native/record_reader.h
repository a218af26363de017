#pragma once

#include <uv.h>

#include <vector>

#include "common.h"

namespace cts {

/// Where records lie until somebody reads them: a ring buffer, the buffers of all CPUs.
class RecordSource {
 public:
  virtual ~RecordSource() = default;
  /// Becomes readable when the kernel wakes the reader.
  virtual int EpollFd() const = 0;
  /// Hands what is there to the reader's Append, until that says no. Returns 0 or -errno.
  virtual int Consume() = 0;
};

/// What ring and perf buffers share: reading on the event loop of the environment, when the kernel wakes the reader or at
/// an interval. All records of a wake-up arrive in one callback: (one Buffer, a Uint32Array of offsets and lengths, the
/// number of records lost before them).
class RecordReader {
 public:
  /// `wrapper`: the JavaScript object around the source; it is kept while it is watched.
  RecordReader(Napi::Reference<Napi::Object>* wrapper, RecordSource* source) : wrapper_(wrapper), source_(source) {}
  ~RecordReader();
  RecordReader(const RecordReader&) = delete;
  RecordReader& operator=(const RecordReader&) = delete;

  void Open(const Napi::Function& on_records, const char* name);
  /// 0 milliseconds: whenever the kernel wakes the reader.
  Napi::Value Start(uint64_t interval_ms);
  /// Everything that is there now: the number of records, or -errno.
  Napi::Value Drain();
  /// Between the two nothing is read on the loop.
  void Pause();
  void Resume();
  /// Whether an open reader keeps the process alive.
  void SetHoldsLoop(bool holds);
  void Close();

  /// For sources: one more record; further words of the Uint32Array stand for it. False when the callback is full: the
  /// record at hand counts as read.
  bool Append(const void* data, size_t length);
  void AppendWord(uint32_t word) { words_.push_back(word); }
  void CountLost(uint64_t records) { lost_ += static_cast<double>(records); }
  bool IsFull() const { return has_more_; }

 private:
  // The libuv handles outlive the reader by the turn of the loop that libuv needs to close them.
  struct Watcher {
    uv_timer_t timer;
    uv_poll_t poll;
    RecordReader* owner;
    uint64_t interval_ms;
    bool is_polling;
    int open_handles;
    napi_async_cleanup_hook_handle cleanup;
  };

  static void OnReadable(uv_poll_t* poll, int status, int events);
  static void OnTimer(uv_timer_t* timer);
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* watcher);
  static void CloseHandles(Watcher* watcher);

  void ReadOnLoop(Watcher* watcher);
  int Listen();
  void StopWatching();
  int Collect();
  void Deliver(bool from_loop);
  void DestroyContext();

  Napi::Reference<Napi::Object>* wrapper_;
  RecordSource* source_;
  Napi::FunctionReference callback_;
  napi_async_context async_context_ = nullptr;
  Watcher* watcher_ = nullptr;
  std::vector<uint8_t> bytes_;
  std::vector<uint32_t> words_;
  uint32_t records_ = 0;
  double lost_ = 0;
  bool has_more_ = false;
  bool is_open_ = false;
  bool is_paused_ = false;
  int unannounced_turns_ = 0;
  bool is_delivering_ = false;
};

}  // namespace cts
