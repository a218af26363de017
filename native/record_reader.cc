#include "record_reader.h"

#include <algorithm>

namespace cts {

namespace {
// Bounds of one callback, so that a full ring neither blocks the event loop nor doubles the memory.
constexpr size_t kMaxBytes = 1 << 20;
constexpr uint32_t kMaxRecords = 1 << 14;
constexpr uint64_t kNextTurnMs = 1;  // with 0, older libuv runs a timer again in the same turn of the loop

template <typename Handle>
uv_handle_t* AsHandle(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}
}  // namespace

RecordReader::~RecordReader() {
  // A watched reader holds a reference to its wrapper, so the collector only comes here at the end of the environment.
  if (watcher_ != nullptr) watcher_->owner = nullptr;
}

void RecordReader::Open(const Napi::Function& on_records, const char* name) {
  callback_ = Napi::Persistent(on_records);
  napi_async_init(wrapper_->Env(), nullptr, Napi::String::New(wrapper_->Env(), name), &async_context_);
  is_open_ = true;
}

Napi::Value RecordReader::Start(uint64_t interval_ms) {
  Napi::Env env = wrapper_->Env();
  uv_loop_s* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return Status(env, -ENOTSUP);
  auto* watcher = new Watcher{};
  watcher->owner = this;
  watcher->interval_ms = interval_ms;
  watcher->timer.data = watcher;
  watcher->poll.data = watcher;
  uv_timer_init(loop, &watcher->timer);  // cannot fail
  watcher->open_handles = 1;
  int rc = interval_ms > 0 ? 0 : uv_poll_init(loop, &watcher->poll, source_->EpollFd());
  if (interval_ms == 0 && rc == 0) {
    watcher->is_polling = true;
    watcher->open_handles = 2;
  }
  watcher_ = watcher;
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, watcher, &watcher->cleanup);
  wrapper_->Ref();
  if (rc == 0) rc = Listen();
  if (rc < 0) StopWatching();
  return Status(env, rc);
}

// A perf event is readable once for each wake-up, and the loop's own registering, in the turn after this one, takes that
// away. So look in the turn after that, too, whatever is announced.
int RecordReader::Listen() {
  if (!watcher_->is_polling) {
    return uv_timer_start(&watcher_->timer, OnTimer, has_more_ ? kNextTurnMs : watcher_->interval_ms, 0);
  }
  unannounced_turns_ = 2;
  uv_timer_start(&watcher_->timer, OnTimer, kNextTurnMs, 0);
  return uv_poll_start(&watcher_->poll, UV_READABLE, OnReadable);
}

bool RecordReader::Append(const void* data, size_t length) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  words_.push_back(static_cast<uint32_t>(bytes_.size()));
  words_.push_back(static_cast<uint32_t>(length));
  bytes_.insert(bytes_.end(), bytes, bytes + length);
  bytes_.resize((bytes_.size() + 7) & ~size_t{7});  // each record starts aligned to 8
  records_++;
  has_more_ = bytes_.size() >= kMaxBytes || records_ >= kMaxRecords;
  return !has_more_;
}

/// Reads up to one callback's worth of records.
int RecordReader::Collect() {
  bytes_.clear();
  words_.clear();
  records_ = 0;
  has_more_ = false;
  return source_->Consume();
}

// Plain N-API with every status looked at: while a worker thread is being terminated no call into JavaScript succeeds, and
// node-addon-api would take that for a fatal error.
void RecordReader::Deliver(bool from_loop) {
  if (records_ == 0 && lost_ == 0) return;
  napi_env env = wrapper_->Env();
  napi_value arguments[3] = {};
  napi_value words = nullptr;
  napi_value result = nullptr;
  void* room = nullptr;
  const size_t count = words_.size();
  if (napi_create_buffer_copy(env, bytes_.size(), bytes_.data(), nullptr, &arguments[0]) != napi_ok) return;
  if (napi_create_arraybuffer(env, count * sizeof(uint32_t), &room, &words) != napi_ok) return;
  std::copy(words_.begin(), words_.end(), static_cast<uint32_t*>(room));
  if (napi_create_typedarray(env, napi_uint32_array, count, words, 0, &arguments[1]) != napi_ok) return;
  if (napi_create_double(env, lost_, &arguments[2]) != napi_ok) return;
  lost_ = 0;
  napi_value callback = callback_.Value();
  napi_value global = wrapper_->Env().Global();
  if (!from_loop) {
    napi_call_function(env, global, callback, 3, arguments, &result);  // an exception stays pending for drain()
    return;
  }
  is_delivering_ = true;
  const napi_status status = napi_make_callback(env, async_context_, global, callback, 3, arguments, &result);
  is_delivering_ = false;
  if (!is_open_) DestroyContext();  // closed by the callback
  if (status == napi_ok) return;
  bool is_pending = false;
  if (napi_is_exception_pending(env, &is_pending) != napi_ok || !is_pending) return;
  napi_value error = nullptr;  // no JavaScript frame below us would see it
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

void RecordReader::OnReadable(uv_poll_t* poll, int, int) {
  auto* watcher = static_cast<Watcher*>(poll->data);
  if (watcher->owner != nullptr) watcher->owner->ReadOnLoop(watcher);
}

void RecordReader::OnTimer(uv_timer_t* timer) {
  auto* watcher = static_cast<Watcher*>(timer->data);
  if (watcher->owner == nullptr) return;
  if (watcher->owner->unannounced_turns_ > 0) watcher->owner->unannounced_turns_--;
  watcher->owner->ReadOnLoop(watcher);
}

void RecordReader::ReadOnLoop(Watcher* watcher) {
  Napi::HandleScope scope(wrapper_->Env());
  [[maybe_unused]] Napi::Object keep_alive = wrapper_->Value();  // the callback may close and drop us
  const int rc = Collect();
  const bool has_more = rc == 0 && has_more_;
  if (rc == 0) Deliver(true);
  if (watcher_ != watcher || is_paused_) return;
  const bool looks_again = has_more || unannounced_turns_ > 0;  // what is left of a perf buffer is not announced again
  if (looks_again || !watcher->is_polling) {
    uv_timer_start(&watcher->timer, OnTimer, looks_again ? kNextTurnMs : watcher->interval_ms, 0);
  }
}

Napi::Value RecordReader::Drain() {
  Napi::Env env = wrapper_->Env();
  double total = 0;
  do {
    const int rc = Collect();
    if (rc < 0) return Status(env, rc);
    total += records_;
    Deliver(false);
    if (env.IsExceptionPending()) return env.Undefined();
  } while (has_more_ && is_open_);
  return Napi::Number::New(env, total);
}

void RecordReader::Pause() {
  is_paused_ = true;
  if (watcher_ == nullptr) return;
  uv_timer_stop(&watcher_->timer);
  if (watcher_->is_polling) uv_poll_stop(&watcher_->poll);
}

void RecordReader::Resume() {
  is_paused_ = false;
  if (watcher_ != nullptr) Listen();
}

void RecordReader::SetHoldsLoop(bool holds) {
  if (watcher_ == nullptr) return;
  const auto set = holds ? uv_ref : uv_unref;
  set(AsHandle(&watcher_->timer));
  if (watcher_->is_polling) set(AsHandle(&watcher_->poll));
}

void RecordReader::Close() {
  is_open_ = false;
  if (watcher_ != nullptr) StopWatching();
  callback_.Reset();
  if (!is_delivering_) DestroyContext();
}

void RecordReader::DestroyContext() {
  if (async_context_ != nullptr) napi_async_destroy(wrapper_->Env(), async_context_);
  async_context_ = nullptr;
}

void RecordReader::StopWatching() {
  Watcher* watcher = watcher_;
  watcher_ = nullptr;
  watcher->owner = nullptr;
  CloseHandles(watcher);
  wrapper_->Unref();
}

void RecordReader::CloseHandles(Watcher* watcher) {
  const auto on_closed = [](uv_handle_t* closed) {
    auto* done = static_cast<Watcher*>(closed->data);
    if (--done->open_handles > 0) return;
    napi_remove_async_cleanup_hook(done->cleanup);
    delete done;
  };
  const bool is_polling = watcher->is_polling;
  uv_ref(AsHandle(&watcher->timer));  // an environment that ends waits for this close
  uv_close(AsHandle(&watcher->timer), on_closed);
  if (!is_polling) return;
  uv_ref(AsHandle(&watcher->poll));
  uv_close(AsHandle(&watcher->poll), on_closed);
}

// The environment ends with the reader open: the handles must be closed before its loop is.
void RecordReader::OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) {
  auto* watcher = static_cast<Watcher*>(data);
  if (watcher->owner == nullptr) return;  // closing already
  watcher->owner->watcher_ = nullptr;
  watcher->owner = nullptr;
  CloseHandles(watcher);
}

}  // namespace cts
