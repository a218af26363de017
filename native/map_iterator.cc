#include "map_iterator.h"

#include <bpf/bpf.h>

namespace cts {

Napi::Function MapIterator::Define(Napi::Env env) {
  return DefineClass(env, "MapIterator",
                     {
                         InstanceMethod<&MapIterator::Open>("open"),
                         InstanceMethod<&MapIterator::Read>("read"),
                         InstanceMethod<&MapIterator::Fd>("fd"),
                         InstanceMethod<&MapIterator::Close>("close"),
                     });
}

MapIterator::MapIterator(const Napi::CallbackInfo& info) : Napi::ObjectWrap<MapIterator>(info) {}

// open(programFd, mapFd)
Napi::Value MapIterator::Open(const Napi::CallbackInfo& info) {
  union bpf_iter_link_info target = {};
  target.map.map_fd = U32(info[1]);
  LIBBPF_OPTS(bpf_link_create_opts, opts);
  opts.iter_info = &target;
  opts.iter_info_len = sizeof(target);
  const int rc = link_.Take(bpf_link_create(I32(info[0]), 0, BPF_TRACE_ITER, &opts));
  return Status(info.Env(), rc < 0 ? rc : file_.Take(bpf_iter_create(link_.get())));
}

// read(into, length) -> bytes read, 0 at the end, or -errno
Napi::Value MapIterator::Read(const Napi::CallbackInfo& info) {
  const ssize_t length = read(file_.get(), BytesOf(info[0]), U32(info[1]));
  return Status(info.Env(), length < 0 ? -errno : static_cast<int>(length));
}

Napi::Value MapIterator::Fd(const Napi::CallbackInfo& info) { return Status(info.Env(), file_.get()); }

void MapIterator::Close(const Napi::CallbackInfo&) {
  file_.Reset();
  link_.Reset();
}

}  // namespace cts
