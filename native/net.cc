#include "net.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include <cstring>

namespace cts {

// interfaceIndex(name) in the network namespace of the calling thread; 0 = none
Napi::Value InterfaceIndex(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), if_nametoindex(Str(info[0]).c_str()));
}

// interfaceName(index) -> string | undefined
Napi::Value InterfaceName(const Napi::CallbackInfo& info) {
  char name[IF_NAMESIZE] = {};
  if (if_indextoname(U32(info[0]), name) == nullptr) return info.Env().Undefined();
  return Napi::String::New(info.Env(), name);
}

// interfaceMac(name, out6) by ioctl: /sys may belong to another namespace than the thread's
Napi::Value InterfaceMac(const Napi::CallbackInfo& info) {
  struct ifreq request = {};
  const std::string name = Str(info[0]);
  strncpy(request.ifr_name, name.c_str(), IF_NAMESIZE - 1);
  UniqueFd socket_fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket_fd.get() < 0) return Status(info.Env(), -errno);
  if (ioctl(socket_fd.get(), SIOCGIFHWADDR, &request) < 0) return Status(info.Env(), -errno);
  memcpy(BytesOf(info[1]), request.ifr_hwaddr.sa_data, 6);
  return Status(info.Env(), 0);
}

// clockNs(clockId) -> bigint
Napi::Value ClockNs(const Napi::CallbackInfo& info) {
  struct timespec now = {};
  clock_gettime(static_cast<clockid_t>(U32(info[0])), &now);
  return BigUint(info.Env(), static_cast<uint64_t>(now.tv_sec) * 1000000000ull + static_cast<uint64_t>(now.tv_nsec));
}

// netnsCookie() -> bigint of the calling thread's network namespace; 0 before Linux 5.14
Napi::Value NetnsCookie(const Napi::CallbackInfo& info) {
  uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  UniqueFd socket_fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  constexpr int kSoNetnsCookie = 71;  // <asm-generic/socket.h> of 5.14 has it, older ones do not
  if (socket_fd.get() >= 0) getsockopt(socket_fd.get(), SOL_SOCKET, kSoNetnsCookie, &cookie, &length);
  return BigUint(info.Env(), cookie);
}

// possibleCpus(): the factor of per-CPU map values
Napi::Value PossibleCpus(const Napi::CallbackInfo& info) { return Status(info.Env(), libbpf_num_possible_cpus()); }

namespace {
using NextId = int (*)(uint32_t, uint32_t*);

Napi::Value AllIds(Napi::Env env, NextId next_id) {
  Napi::Array out = Napi::Array::New(env);
  uint32_t id = 0;
  uint32_t index = 0;
  for (;;) {
    int rc = next_id(id, &id);
    if (rc == -ENOENT) return out;
    if (rc < 0) return Status(env, rc);
    out.Set(index++, Napi::Number::New(env, id));
  }
}
}  // namespace

Napi::Value MapIds(const Napi::CallbackInfo& info) { return AllIds(info.Env(), bpf_map_get_next_id); }
Napi::Value ProgramIds(const Napi::CallbackInfo& info) { return AllIds(info.Env(), bpf_prog_get_next_id); }
Napi::Value LinkIds(const Napi::CallbackInfo& info) { return AllIds(info.Env(), bpf_link_get_next_id); }

}  // namespace cts
