#include "perf_buffer.h"

#include <linux/perf_event.h>

namespace cts {

namespace {
/// Records of the two kinds that such a buffer holds (include/uapi/linux/perf_event.h, sample_type PERF_SAMPLE_RAW).
struct Sample {
  struct perf_event_header header;
  uint32_t length;  // the program's bytes and padding to 8
  uint8_t data[];
};
struct Lost {
  struct perf_event_header header;
  uint64_t id;
  uint64_t count;
};

struct perf_event_attr EventAttr(bool is_timed) {
  struct perf_event_attr attr = {};
  attr.size = sizeof(attr);
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_BPF_OUTPUT;
  attr.sample_type = PERF_SAMPLE_RAW;
  attr.sample_period = 1;
  attr.watermark = is_timed;  // a reader that looks by the clock is woken by nothing
  attr.wakeup_events = is_timed ? UINT32_MAX : 1;
  return attr;
}
}  // namespace

Napi::Function PerfBuffer::Define(Napi::Env env) {
  return DefineClass(env, "PerfBuffer",
                     {
                         InstanceMethod<&PerfBuffer::Open>("open"),
                         InstanceMethod<&PerfBuffer::Start>("start"),
                         InstanceMethod<&PerfBuffer::Drain>("drain"),
                         InstanceMethod<&PerfBuffer::Pause>("pause"),
                         InstanceMethod<&PerfBuffer::Resume>("resume"),
                         InstanceMethod<&PerfBuffer::SetHoldsLoop>("setHoldsLoop"),
                         InstanceMethod<&PerfBuffer::Close>("close"),
                     });
}

PerfBuffer::PerfBuffer(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PerfBuffer>(info), reader_(this, this) {}

// open(mapFd, pagesPerCpu, isTimed, onRecords)
Napi::Value PerfBuffer::Open(const Napi::CallbackInfo& info) {
  const int rc = map_fd_.Take(DuplicateFd(I32(info[0])));
  if (rc < 0) return Status(info.Env(), rc);
  struct perf_event_attr attr = EventAttr(info[2].ToBoolean());
  buffer_.reset(perf_buffer__new_raw(map_fd_.get(), U32(info[1]), &attr, OnEvent, this, nullptr));
  if (buffer_ == nullptr) return Status(info.Env(), -errno);
  reader_.Open(info[3].As<Napi::Function>(), "cilium_ts.PerfBuffer");
  return Status(info.Env(), 0);
}

int PerfBuffer::EpollFd() const { return perf_buffer__epoll_fd(buffer_.get()); }

int PerfBuffer::Consume() {
  const size_t count = perf_buffer__buffer_cnt(buffer_.get());
  for (size_t done = 0; done < count && !reader_.IsFull(); done++) {
    const int rc = perf_buffer__consume_buffer(buffer_.get(), next_cpu_);
    if (rc < 0) return rc;
    if (!reader_.IsFull()) next_cpu_ = (next_cpu_ + 1) % count;
  }
  return 0;
}

enum bpf_perf_event_ret PerfBuffer::OnEvent(void* self, int cpu, struct perf_event_header* event) {
  auto* buffer = static_cast<PerfBuffer*>(self);
  if (event->type == PERF_RECORD_LOST) {
    buffer->reader_.CountLost(reinterpret_cast<const Lost*>(event)->count);
    return LIBBPF_PERF_EVENT_CONT;
  }
  if (event->type != PERF_RECORD_SAMPLE) return LIBBPF_PERF_EVENT_CONT;
  const auto* sample = reinterpret_cast<const Sample*>(event);
  const bool has_room = buffer->reader_.Append(sample->data, sample->length);
  buffer->reader_.AppendWord(static_cast<uint32_t>(cpu));
  return has_room ? LIBBPF_PERF_EVENT_CONT : LIBBPF_PERF_EVENT_DONE;
}

Napi::Value PerfBuffer::Start(const Napi::CallbackInfo& info) { return reader_.Start(U32(info[0])); }
Napi::Value PerfBuffer::Drain(const Napi::CallbackInfo&) { return reader_.Drain(); }
void PerfBuffer::Pause(const Napi::CallbackInfo&) { reader_.Pause(); }
void PerfBuffer::Resume(const Napi::CallbackInfo&) { reader_.Resume(); }
void PerfBuffer::SetHoldsLoop(const Napi::CallbackInfo& info) { reader_.SetHoldsLoop(info[0].ToBoolean()); }

void PerfBuffer::Close(const Napi::CallbackInfo&) {
  reader_.Close();
  buffer_.reset();
  map_fd_.Reset();
}

}  // namespace cts
