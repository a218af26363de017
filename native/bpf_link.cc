#include "bpf_link.h"

#include <bpf/bpf.h>

#include <cstring>
#include <vector>

#include "async_call.h"

namespace cts {

namespace {
constexpr uint32_t kLinkRawTracepoint = 1;
constexpr uint32_t kLinkTracing = 2;
constexpr uint32_t kLinkCgroup = 3;
constexpr uint32_t kLinkXdp = 6;
constexpr uint32_t kLinkTcx = 11;
constexpr uint32_t kLinkNetkit = 13;

Napi::Value InfoObject(Napi::Env env, const LinkFacts& facts) {
  const LinkInfo& link = facts.info;
  Napi::Object out = Napi::Object::New(env);
  out.Set("id", Napi::Number::New(env, link.id));
  out.Set("type", Napi::Number::New(env, link.type));
  out.Set("programId", Napi::Number::New(env, link.prog_id));
  if (link.type == kLinkTcx || link.type == kLinkNetkit || link.type == kLinkXdp) {
    out.Set("ifindex", Napi::Number::New(env, link.device.ifindex));
    if (link.type != kLinkXdp) out.Set("attachType", Napi::Number::New(env, link.device.attach_type));
  } else if (link.type == kLinkCgroup) {
    out.Set("cgroupId", BigUint(env, link.cgroup.cgroup_id));
    out.Set("attachType", Napi::Number::New(env, link.cgroup.attach_type));
  } else if (link.type == kLinkTracing) {
    out.Set("attachType", Napi::Number::New(env, link.tracing.attach_type));
  } else if (link.type == kLinkRawTracepoint) {
    out.Set("tracepoint", Napi::String::New(env, facts.tracepoint));
  }
  return out;
}

LinkCreateAttr DeviceAttr(const Napi::CallbackInfo& info) {
  LinkCreateAttr attr = {};
  attr.prog_fd = U32(info[0]);
  attr.target = U32(info[1]);
  attr.attach_type = U32(info[2]);
  attr.flags = U32(info[3]);
  attr.relative = U32(info[4]);
  attr.expected_revision = U64(info[5]);
  return attr;
}
}  // namespace

Napi::Function BpfLink::Define(Napi::Env env) {
  return DefineClass(env, "BpfLink",
                     {
                         InstanceMethod<&BpfLink::AttachDevice>("attachDevice"),
                         InstanceMethod<&BpfLink::AttachCgroup>("attachCgroup"),
                         InstanceMethod<&BpfLink::AttachRawTracepoint>("attachRawTracepoint"),
                         InstanceMethod<&BpfLink::OpenPinned>("openPinned"),
                         InstanceMethod<&BpfLink::OpenById>("openById"),
                         InstanceMethod<&BpfLink::Fd>("fd"),
                         InstanceMethod<&BpfLink::Info>("info"),
                         InstanceMethod<&BpfLink::OpenedInfo>("openedInfo"),
                         InstanceMethod<&BpfLink::Update>("update"),
                         InstanceMethod<&BpfLink::Detach>("detach"),
                         InstanceMethod<&BpfLink::AttachDeviceAsync>("attachDeviceAsync"),
                         InstanceMethod<&BpfLink::OpenPinnedAsync>("openPinnedAsync"),
                         InstanceMethod<&BpfLink::UpdateAsync>("updateAsync"),
                         InstanceMethod<&BpfLink::DetachAsync>("detachAsync"),
                         InstanceMethod<&BpfLink::Pin>("pin"),
                         InstanceMethod<&BpfLink::Close>("close"),
                     });
}

BpfLink::BpfLink(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BpfLink>(info) {}

// attachDevice(programFd, ifindex, attachType, flags, relative, expectedRevision): tcx, netkit and XDP. By the raw call,
// because libbpf 1.1 knows neither relative positions nor revisions.
Napi::Value BpfLink::AttachDevice(const Napi::CallbackInfo& info) {
  LinkCreateAttr attr = DeviceAttr(info);
  return Status(info.Env(), fd_.Take(BpfSyscall(BPF_LINK_CREATE, &attr)));
}

// attachCgroup(programFd, cgroupPath, attachType)
Napi::Value BpfLink::AttachCgroup(const Napi::CallbackInfo& info) {
  UniqueFd cgroup(open(Str(info[1]).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (cgroup.get() < 0) return Status(info.Env(), -errno);
  LinkCreateAttr attr = {};
  attr.prog_fd = U32(info[0]);
  attr.target = static_cast<uint32_t>(cgroup.get());
  attr.attach_type = U32(info[2]);
  return Status(info.Env(), fd_.Take(BpfSyscall(BPF_LINK_CREATE, &attr)));
}

// attachRawTracepoint(programFd, name); "" for programs that were loaded for one place (tp_btf, fentry, fexit)
Napi::Value BpfLink::AttachRawTracepoint(const Napi::CallbackInfo& info) {
  const std::string name = Str(info[1]);
  return Status(info.Env(), fd_.Take(bpf_raw_tracepoint_open(name.empty() ? nullptr : name.c_str(), I32(info[0]))));
}

Napi::Value BpfLink::OpenPinned(const Napi::CallbackInfo& info) {
  return Status(info.Env(), fd_.Take(RequireKind(bpf_obj_get(Str(info[0]).c_str()), "link")));
}

Napi::Value BpfLink::OpenById(const Napi::CallbackInfo& info) {
  return Status(info.Env(), fd_.Take(bpf_link_get_fd_by_id(U32(info[0]))));
}

Napi::Value BpfLink::Fd(const Napi::CallbackInfo& info) { return Status(info.Env(), fd_.get()); }

int LinkFacts::Read(int fd) {
  info = {};
  uint32_t length = sizeof(info);
  const int rc = bpf_obj_get_info_by_fd(fd, &info, &length);
  if (rc < 0 || info.type != kLinkRawTracepoint) return rc;
  info = {};  // the kernel wants to be told where the name shall go
  info.raw_tracepoint.name = PointerField(tracepoint);
  info.raw_tracepoint.name_length = sizeof(tracepoint);
  length = sizeof(info);
  return bpf_obj_get_info_by_fd(fd, &info, &length);
}

Napi::Value BpfLink::Info(const Napi::CallbackInfo& info) {
  LinkFacts facts;
  const int rc = facts.Read(fd_.get());
  return rc < 0 ? Status(info.Env(), rc) : InfoObject(info.Env(), facts);
}

// openedInfo(): what the kernel said when an asynchronous call opened the link; no system call
Napi::Value BpfLink::OpenedInfo(const Napi::CallbackInfo& info) { return InfoObject(info.Env(), opened_); }

// update(programFd): the kernel swaps the program between two packets
Napi::Value BpfLink::Update(const Napi::CallbackInfo& info) {
  return Status(info.Env(), bpf_link_update(fd_.get(), I32(info[0]), nullptr));
}

Napi::Value BpfLink::Detach(const Napi::CallbackInfo& info) { return Status(info.Env(), bpf_link_detach(fd_.get())); }

// Attaching, detaching and replacing at a device wait for an RCU grace period and hold the RTNL lock meanwhile; whoever
// reads a device link's info waits for that lock. So all of them have a way that does not hold up the event loop.

/// Fills a link that no JavaScript but its creator has seen; it stays until then.
class BpfLink::OpenCall : public AsyncCall {
 public:
  explicit OpenCall(BpfLink* link) : link_(link) { link_->Ref(); }
  int Run() override {
    int rc = fd_.Take(Open());
    if (rc == 0) rc = facts_.Read(fd_.get());
    if (rc < 0) fd_.Reset();
    return rc;
  }
  void Finish() override {
    link_->fd_.Reset(fd_.Release());
    link_->opened_ = facts_;
    link_->Unref();
  }

 protected:
  /// A descriptor or -errno.
  virtual int Open() = 0;

 private:
  BpfLink* link_;
  UniqueFd fd_;
  LinkFacts facts_;
};

class BpfLink::AttachDeviceCall : public OpenCall {
 public:
  AttachDeviceCall(BpfLink* link, const LinkCreateAttr& attr) : OpenCall(link), attr_(attr) {
    Duplicate(static_cast<int>(attr.prog_fd), &program_);
  }

 protected:
  int Open() override {
    attr_.prog_fd = static_cast<uint32_t>(program_.get());
    return BpfSyscall(BPF_LINK_CREATE, &attr_);
  }

 private:
  LinkCreateAttr attr_;
  UniqueFd program_;
};

class BpfLink::OpenPinnedCall : public OpenCall {
 public:
  OpenPinnedCall(BpfLink* link, std::string path) : OpenCall(link), path_(std::move(path)) {}

 protected:
  int Open() override { return RequireKind(bpf_obj_get(path_.c_str()), "link"); }

 private:
  std::string path_;
};

class BpfLink::UpdateCall : public AsyncCall {
 public:
  UpdateCall(int fd, int program_fd) {
    Duplicate(fd, &link_);
    Duplicate(program_fd, &program_);
  }
  int Run() override {
    const int rc = bpf_link_update(link_.get(), program_.get(), nullptr);
    link_.Reset();  // here, because the last one of a link detaches, and waits for it
    return rc;
  }

 private:
  UniqueFd link_;
  UniqueFd program_;
};

class BpfLink::DetachCall : public AsyncCall {
 public:
  explicit DetachCall(int fd) { Duplicate(fd, &link_); }
  int Run() override {
    const int rc = bpf_link_detach(link_.get());
    link_.Reset();
    return rc;
  }

 private:
  UniqueFd link_;
};

// attachDeviceAsync(as attachDevice) -> promise
Napi::Value BpfLink::AttachDeviceAsync(const Napi::CallbackInfo& info) {
  return AsyncCall::Start(info.Env(), std::make_unique<AttachDeviceCall>(this, DeviceAttr(info)));
}

// openPinnedAsync(path) -> promise
Napi::Value BpfLink::OpenPinnedAsync(const Napi::CallbackInfo& info) {
  return AsyncCall::Start(info.Env(), std::make_unique<OpenPinnedCall>(this, Str(info[0])));
}

// updateAsync(programFd) -> promise
Napi::Value BpfLink::UpdateAsync(const Napi::CallbackInfo& info) {
  return AsyncCall::Start(info.Env(), std::make_unique<UpdateCall>(fd_.get(), I32(info[0])));
}

// detachAsync() -> promise
Napi::Value BpfLink::DetachAsync(const Napi::CallbackInfo& info) {
  return AsyncCall::Start(info.Env(), std::make_unique<DetachCall>(fd_.get()));
}

Napi::Value BpfLink::Pin(const Napi::CallbackInfo& info) {
  return Status(info.Env(), bpf_obj_pin(fd_.get(), Str(info[0]).c_str()));
}

void BpfLink::Close(const Napi::CallbackInfo&) { fd_.Reset(); }

Napi::Value QueryHook(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  constexpr uint32_t kRoom = 64;  // BPF_MPROG_MAX and BPF_CGROUP_MAX_PROGS are both 64
  std::vector<uint32_t> programs(kRoom);
  std::vector<uint32_t> links(kRoom);
  ProgQueryAttr attr = {};
  attr.target = U32(info[0]);
  attr.attach_type = U32(info[1]);
  attr.query_flags = U32(info[2]);
  attr.count = kRoom;
  attr.prog_ids = PointerField(programs.data());
  const bool is_device = info[3].ToBoolean();
  if (is_device) attr.link_ids = PointerField(links.data());
  int rc = BpfSyscall(BPF_PROG_QUERY, &attr);
  if (rc < 0) return Status(env, rc);
  Napi::Array program_ids = Napi::Array::New(env, attr.count);
  Napi::Array link_ids = Napi::Array::New(env, attr.count);
  for (uint32_t i = 0; i < attr.count; i++) {
    program_ids.Set(i, Napi::Number::New(env, programs[i]));
    link_ids.Set(i, Napi::Number::New(env, links[i]));
  }
  Napi::Object out = Napi::Object::New(env);
  out.Set("revision", BigUint(env, attr.revision));
  out.Set("programIds", program_ids);
  out.Set("linkIds", link_ids);
  return out;
}

}  // namespace cts
