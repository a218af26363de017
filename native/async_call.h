#pragma once

#include <memory>

#include "common.h"

namespace cts {

/// A kernel call that waits for others (an RCU grace period, the RTNL lock): it runs on a thread of libuv's pool while the
/// event loop goes on. It owns all that it uses, duplicates of descriptors among it, so that handles may be closed,
/// collected or torn down with their environment meanwhile.
class AsyncCall {
 public:
  virtual ~AsyncCall() = default;

  /// On a thread of the pool: no JavaScript, no Node-API. Returns what the promise resolves with: ≥ 0 or -errno.
  virtual int Run() = 0;
  /// Afterwards on the environment's own thread, also while that ends: no JavaScript runs; references may be let go.
  virtual void Finish() {}

  /// Queues `call`; the promise never rejects. A call whose descriptors could not be duplicated answers the errno at once.
  static Napi::Value Start(Napi::Env env, std::unique_ptr<AsyncCall> call);

 protected:
  /// For constructors: a duplicate of `fd`, or remembers why there is none.
  void Duplicate(int fd, UniqueFd* copy) {
    const int rc = copy->Take(DuplicateFd(fd));
    if (rc < 0) refused_ = rc;
  }

 private:
  static void Execute(napi_env env, void* data);
  static void Complete(napi_env env, napi_status status, void* data);

  napi_async_work work_ = nullptr;
  napi_deferred deferred_ = nullptr;
  int refused_ = 0;
  int rc_ = 0;
};

}  // namespace cts
