// What every class of the addon shares. Contract between the two sides: JavaScript (src/kernel) has checked types, lengths
// and liveness before it calls; C++ trusts its arguments, never throws, and answers a failure as the number -errno.
#pragma once

#define NAPI_DISABLE_CPP_EXCEPTIONS 1
#define NAPI_VERSION 9
// A worker thread that is being terminated refuses every call into JavaScript; that is no reason to abort the process.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS 1
#include <fcntl.h>
#include <napi.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace cts {

/// A file descriptor with one owner.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { Reset(); }

  void Reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }
  int get() const { return fd_; }
  /// Hands the descriptor on; the caller owns it.
  int Release() { return std::exchange(fd_, -1); }
  /// Takes a system call's answer: a descriptor is kept, -errno is passed on. Returns 0 or -errno.
  int Take(int fd_or_error) {
    if (fd_or_error < 0) return fd_or_error;
    Reset(fd_or_error);
    return 0;
  }

 private:
  int fd_ = -1;
};

/// A duplicate of `fd` that children do not inherit, or -errno.
inline int DuplicateFd(int fd) {
  int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
  return copy < 0 ? -errno : copy;
}

/// BPF_OBJ_GET opens whatever is pinned, and asking a program for a map's info answers nonsense instead of an error. So look
/// what the descriptor is ("bpf-map", "bpf-prog", "bpf_link" or "bpf-link", as it came about): returns it, or closes it and answers -EINVAL. Without /proc
/// the caller's word is taken.
inline int RequireKind(int fd, const char* kind) {
  if (fd < 0) return fd;
  char target[64] = {};
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = readlink(path.c_str(), target, sizeof(target) - 1);
  if (length <= 0 || std::string(target).find(kind) != std::string::npos) return fd;
  close(fd);
  return -EINVAL;
}

/// Bytes of a Uint8Array, nullptr for anything else (undefined stands for "no buffer").
inline uint8_t* BytesOf(const Napi::Value& value) {
  if (!value.IsTypedArray()) return nullptr;
  return value.As<Napi::Uint8Array>().Data();
}

/// A copy of a Uint8Array's bytes, for a call that outlives it.
inline std::vector<uint8_t> CopyOf(const Napi::Value& value) {
  const auto bytes = value.As<Napi::Uint8Array>();
  return {bytes.Data(), bytes.Data() + bytes.ByteLength()};
}

inline uint32_t U32(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }
inline int32_t I32(const Napi::Value& value) { return value.As<Napi::Number>().Int32Value(); }
inline std::string Str(const Napi::Value& value) { return value.As<Napi::String>().Utf8Value(); }

inline uint64_t U64(const Napi::Value& value) {
  bool lossless = false;
  return value.As<Napi::BigInt>().Uint64Value(&lossless);
}

inline Napi::Value Status(Napi::Env env, int rc) { return Napi::Number::New(env, rc); }
inline Napi::Value BigUint(Napi::Env env, uint64_t value) { return Napi::BigInt::New(env, value); }

/// Kernel pointers travel in 64-bit fields.
inline uint64_t PointerField(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }

}  // namespace cts
