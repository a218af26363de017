#include "async_call.h"

namespace cts {

// Plain N-API with every status looked at: while a worker thread is being terminated no call into JavaScript succeeds, and
// node-addon-api would take that for a fatal error.
Napi::Value AsyncCall::Start(Napi::Env env, std::unique_ptr<AsyncCall> call) {
  napi_value promise = nullptr;
  napi_value name = nullptr;
  if (napi_create_promise(env, &call->deferred_, &promise) != napi_ok) return env.Undefined();
  if (call->refused_ < 0) {
    call->rc_ = call->refused_;
    Complete(env, napi_ok, call.release());
    return Napi::Value(env, promise);
  }
  AsyncCall* data = call.release();  // Complete takes it back
  if (napi_create_string_utf8(env, "cilium_ts.AsyncCall", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_create_async_work(env, nullptr, name, Execute, Complete, data, &data->work_) != napi_ok ||
      napi_queue_async_work(env, data->work_) != napi_ok) {
    data->rc_ = -EAGAIN;
    Complete(env, napi_ok, data);
  }
  return Napi::Value(env, promise);
}

void AsyncCall::Execute(napi_env, void* data) {
  auto* call = static_cast<AsyncCall*>(data);
  call->rc_ = call->Run();
}

// An environment that ends waits for what is queued and comes here before any of its objects goes.
void AsyncCall::Complete(napi_env env, napi_status status, void* data) {
  std::unique_ptr<AsyncCall> call(static_cast<AsyncCall*>(data));
  call->Finish();
  if (call->work_ != nullptr) napi_delete_async_work(env, call->work_);
  napi_value answer = nullptr;
  if (napi_create_int32(env, status == napi_ok ? call->rc_ : -ECANCELED, &answer) != napi_ok) return;
  napi_resolve_deferred(env, call->deferred_, answer);  // refused while the environment ends: nobody waits any more
}

}  // namespace cts
