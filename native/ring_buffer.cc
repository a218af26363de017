#include "ring_buffer.h"

#include <algorithm>

namespace cts {

namespace {
// Bounds of one callback, so that a full ring neither blocks the event loop nor doubles the memory.
constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kMaxRecords = 1 << 14;
constexpr int kEnough = -ECANCELED;  // makes libbpf stop; the record at hand counts as read
}  // namespace

Napi::Function RingBuffer::Define(Napi::Env env) {
  return DefineClass(env, "RingBuffer",
                     {
                         InstanceMethod<&RingBuffer::Open>("open"),
                         InstanceMethod<&RingBuffer::Start>("start"),
                         InstanceMethod<&RingBuffer::Drain>("drain"),
                         InstanceMethod<&RingBuffer::SetHoldsLoop>("setHoldsLoop"),
                         InstanceMethod<&RingBuffer::CloseFromJs>("close"),
                     });
}

RingBuffer::RingBuffer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RingBuffer>(info) {}

RingBuffer::~RingBuffer() {
  // A watched ring holds a reference to itself, so the collector only comes here at the end of the environment.
  if (watcher_ != nullptr) watcher_->owner = nullptr;
}

// open(mapFd, onRecords)
Napi::Value RingBuffer::Open(const Napi::CallbackInfo& info) {
  int copy = DuplicateFd(I32(info[0]));  // the caller may close its map; the pages stay mapped either way
  if (copy < 0) return Status(info.Env(), copy);
  map_fd_.Reset(copy);
  ring_.reset(ring_buffer__new(copy, OnRecord, this, nullptr));
  if (ring_ == nullptr) return Status(info.Env(), -errno);
  callback_ = Napi::Persistent(info[1].As<Napi::Function>());
  napi_value name = Napi::String::New(info.Env(), "cilium_ts.RingBuffer");
  napi_async_init(info.Env(), nullptr, name, &async_context_);
  return Status(info.Env(), 0);
}

// start(intervalMs): 0 = whenever the kernel wakes the reader, else drain at this interval
Napi::Value RingBuffer::Start(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uv_loop_s* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) return Status(env, -ENOTSUP);
  auto* watcher = new Watcher{};
  watcher->owner = this;
  watcher->interval_ms = U32(info[0]);
  watcher->is_timed = watcher->interval_ms > 0;
  int rc;
  if (watcher->is_timed) {
    rc = uv_timer_init(loop, &watcher->timer);
    watcher->timer.data = watcher;
    if (rc == 0) rc = uv_timer_start(&watcher->timer, OnTimer, watcher->interval_ms, 0);
  } else {
    rc = uv_poll_init(loop, &watcher->poll, ring_buffer__epoll_fd(ring_.get()));
    if (rc < 0) {
      delete watcher;
      return Status(env, rc);
    }
    watcher->poll.data = watcher;
    rc = uv_poll_start(&watcher->poll, UV_READABLE, OnReadable);
  }
  watcher_ = watcher;
  napi_add_async_cleanup_hook(env, OnEnvironmentEnd, watcher, &watcher->cleanup);
  Ref();
  if (rc < 0) StopWatching();
  return Status(env, rc);
}

int RingBuffer::OnRecord(void* self, void* data, size_t length) {
  auto* ring = static_cast<RingBuffer*>(self);
  const auto* bytes = static_cast<const uint8_t*>(data);
  ring->records_.push_back(static_cast<uint32_t>(ring->bytes_.size()));
  ring->records_.push_back(static_cast<uint32_t>(length));
  ring->bytes_.insert(ring->bytes_.end(), bytes, bytes + length);
  ring->bytes_.resize((ring->bytes_.size() + 7) & ~size_t{7});  // each record starts aligned to 8, as in the ring
  return ring->bytes_.size() >= kMaxBytes || ring->records_.size() >= 2 * kMaxRecords ? kEnough : 0;
}

int RingBuffer::Collect() {
  bytes_.clear();
  records_.clear();
  int rc = ring_buffer__consume(ring_.get());
  has_more_ = rc == kEnough;
  return rc < 0 && !has_more_ ? rc : 0;
}

// Plain N-API with every status looked at: while a worker thread is being terminated no call into JavaScript succeeds, and
// node-addon-api would take that for a fatal error.
void RingBuffer::Deliver(bool from_loop) {
  if (records_.empty()) return;
  napi_env env = Env();
  napi_value arguments[2] = {};
  napi_value pairs = nullptr;
  napi_value result = nullptr;
  void* room = nullptr;
  const size_t count = records_.size();
  if (napi_create_buffer_copy(env, bytes_.size(), bytes_.data(), nullptr, &arguments[0]) != napi_ok) return;
  if (napi_create_arraybuffer(env, count * sizeof(uint32_t), &room, &pairs) != napi_ok) return;
  std::copy(records_.begin(), records_.end(), static_cast<uint32_t*>(room));
  if (napi_create_typedarray(env, napi_uint32_array, count, pairs, 0, &arguments[1]) != napi_ok) return;
  napi_value callback = callback_.Value();
  napi_value global = Env().Global();
  if (!from_loop) {
    napi_call_function(env, global, callback, 2, arguments, &result);  // an exception stays pending for drain()
    return;
  }
  is_delivering_ = true;
  const napi_status status = napi_make_callback(env, async_context_, global, callback, 2, arguments, &result);
  is_delivering_ = false;
  if (ring_ == nullptr) DestroyContext(env);  // closed by the callback
  if (status == napi_ok) return;
  bool is_pending = false;
  if (napi_is_exception_pending(env, &is_pending) != napi_ok || !is_pending) return;
  napi_value error = nullptr;  // no JavaScript frame below us would see it
  if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
}

void RingBuffer::OnReadable(uv_poll_t* poll, int, int) {
  RingBuffer* self = static_cast<Watcher*>(poll->data)->owner;
  if (self == nullptr) return;
  Napi::HandleScope scope(self->Env());
  [[maybe_unused]] Napi::Object keep_alive = self->Value();  // the callback may close and drop us
  if (self->Collect() == 0) self->Deliver(true);
}

void RingBuffer::OnTimer(uv_timer_t* timer) {
  auto* watcher = static_cast<Watcher*>(timer->data);
  RingBuffer* self = watcher->owner;
  if (self == nullptr) return;
  Napi::HandleScope scope(self->Env());
  [[maybe_unused]] Napi::Object keep_alive = self->Value();
  const int rc = self->Collect();
  const bool has_more = self->has_more_;
  if (rc == 0) self->Deliver(true);
  if (self->watcher_ == watcher) uv_timer_start(timer, OnTimer, has_more ? 0 : watcher->interval_ms, 0);
}

// drain(): everything that is there now; -> records read, or -errno
Napi::Value RingBuffer::Drain(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  uint32_t total = 0;
  do {
    int rc = Collect();
    if (rc < 0) return Status(env, rc);
    total += static_cast<uint32_t>(records_.size() / 2);
    Deliver(false);
    if (env.IsExceptionPending()) return env.Undefined();
  } while (has_more_ && ring_ != nullptr);
  return Napi::Number::New(env, total);
}

// setHoldsLoop(boolean): whether an open reader keeps the process alive
void RingBuffer::SetHoldsLoop(const Napi::CallbackInfo& info) {
  if (watcher_ == nullptr) return;
  auto* handle = watcher_->is_timed ? reinterpret_cast<uv_handle_t*>(&watcher_->timer)
                                    : reinterpret_cast<uv_handle_t*>(&watcher_->poll);
  if (info[0].ToBoolean()) {
    uv_ref(handle);
  } else {
    uv_unref(handle);
  }
}

void RingBuffer::CloseFromJs(const Napi::CallbackInfo& info) {
  if (watcher_ != nullptr) StopWatching();
  ring_.reset();
  map_fd_.Reset();
  callback_.Reset();
  if (!is_delivering_) DestroyContext(info.Env());
}

void RingBuffer::DestroyContext(napi_env env) {
  if (async_context_ != nullptr) napi_async_destroy(env, async_context_);
  async_context_ = nullptr;
}

void RingBuffer::StopWatching() {
  Watcher* watcher = watcher_;
  watcher_ = nullptr;
  watcher->owner = nullptr;
  CloseHandles(watcher);
  Unref();
}

void RingBuffer::CloseHandles(Watcher* watcher) {
  auto* handle = watcher->is_timed ? reinterpret_cast<uv_handle_t*>(&watcher->timer)
                                   : reinterpret_cast<uv_handle_t*>(&watcher->poll);
  uv_ref(handle);  // an environment that ends waits for this close
  uv_close(handle, [](uv_handle_t* closed) {
    auto* done = static_cast<Watcher*>(closed->data);
    napi_remove_async_cleanup_hook(done->cleanup);
    delete done;
  });
}

// The environment ends with the reader open: the handles must be closed before its loop is.
void RingBuffer::OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* data) {
  auto* watcher = static_cast<Watcher*>(data);
  if (watcher->owner == nullptr) return;  // closing already
  watcher->owner->watcher_ = nullptr;
  watcher->owner = nullptr;
  CloseHandles(watcher);
}

}  // namespace cts
