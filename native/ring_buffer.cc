#include "ring_buffer.h"

namespace cts {

namespace {
constexpr int kEnough = -ECANCELED;  // makes libbpf stop; the record at hand counts as read
}  // namespace

Napi::Function RingBuffer::Define(Napi::Env env) {
  return DefineClass(env, "RingBuffer",
                     {
                         InstanceMethod<&RingBuffer::Open>("open"),
                         InstanceMethod<&RingBuffer::Start>("start"),
                         InstanceMethod<&RingBuffer::Drain>("drain"),
                         InstanceMethod<&RingBuffer::Pause>("pause"),
                         InstanceMethod<&RingBuffer::Resume>("resume"),
                         InstanceMethod<&RingBuffer::SetHoldsLoop>("setHoldsLoop"),
                         InstanceMethod<&RingBuffer::Close>("close"),
                     });
}

RingBuffer::RingBuffer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RingBuffer>(info), reader_(this, this) {}

// open(mapFd, onRecords)
Napi::Value RingBuffer::Open(const Napi::CallbackInfo& info) {
  const int rc = map_fd_.Take(DuplicateFd(I32(info[0])));  // the caller may close its map
  if (rc < 0) return Status(info.Env(), rc);
  ring_.reset(ring_buffer__new(map_fd_.get(), OnRecord, this, nullptr));
  if (ring_ == nullptr) return Status(info.Env(), -errno);
  reader_.Open(info[1].As<Napi::Function>(), "cilium_ts.RingBuffer");
  return Status(info.Env(), 0);
}

int RingBuffer::EpollFd() const { return ring_buffer__epoll_fd(ring_.get()); }

int RingBuffer::Consume() {
  const int rc = ring_buffer__consume(ring_.get());
  return rc < 0 && rc != kEnough ? rc : 0;
}

int RingBuffer::OnRecord(void* self, void* data, size_t length) {
  return static_cast<RingBuffer*>(self)->reader_.Append(data, length) ? 0 : kEnough;
}

Napi::Value RingBuffer::Start(const Napi::CallbackInfo& info) { return reader_.Start(U32(info[0])); }
Napi::Value RingBuffer::Drain(const Napi::CallbackInfo&) { return reader_.Drain(); }
void RingBuffer::Pause(const Napi::CallbackInfo&) { reader_.Pause(); }
void RingBuffer::Resume(const Napi::CallbackInfo&) { reader_.Resume(); }
void RingBuffer::SetHoldsLoop(const Napi::CallbackInfo& info) { reader_.SetHoldsLoop(info[0].ToBoolean()); }

void RingBuffer::Close(const Napi::CallbackInfo&) {
  reader_.Close();
  ring_.reset();
  map_fd_.Reset();
}

}  // namespace cts
