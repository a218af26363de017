#include "bpf_program.h"

#include <bpf/bpf.h>

#include <cstdio>
#include <cstring>
#include <vector>

namespace cts {

Napi::Function BpfProgram::Define(Napi::Env env) {
  return DefineClass(env, "BpfProgram",
                     {
                         InstanceMethod<&BpfProgram::LoadInstructions>("loadInstructions"),
                         InstanceMethod<&BpfProgram::OpenPinned>("openPinned"),
                         InstanceMethod<&BpfProgram::OpenById>("openById"),
                         InstanceMethod<&BpfProgram::Adopt>("adopt"),
                         InstanceMethod<&BpfProgram::Fd>("fd"),
                         InstanceMethod<&BpfProgram::Info>("info"),
                         InstanceMethod<&BpfProgram::TestRun>("testRun"),
                         InstanceMethod<&BpfProgram::Pin>("pin"),
                         InstanceMethod<&BpfProgram::Close>("close"),
                     });
}

BpfProgram::BpfProgram(const Napi::CallbackInfo& info) : Napi::ObjectWrap<BpfProgram>(info) {}

// loadInstructions(programType, expectedAttachType, name, instructions, attachBtfId): hand-made programs, which the feature
// probes use
Napi::Value BpfProgram::LoadInstructions(const Napi::CallbackInfo& info) {
  LIBBPF_OPTS(bpf_prog_load_opts, opts);
  opts.expected_attach_type = static_cast<enum bpf_attach_type>(U32(info[1]));
  opts.attach_btf_id = U32(info[4]);
  auto instructions = info[3].As<Napi::Uint8Array>();
  return Status(info.Env(),
                fd_.Take(bpf_prog_load(static_cast<enum bpf_prog_type>(U32(info[0])), Str(info[2]).c_str(), "GPL",
                                       reinterpret_cast<const struct bpf_insn*>(instructions.Data()),
                                       instructions.ByteLength() / sizeof(struct bpf_insn), &opts)));
}

Napi::Value BpfProgram::OpenPinned(const Napi::CallbackInfo& info) {
  return Status(info.Env(), fd_.Take(RequireKind(bpf_obj_get(Str(info[0]).c_str()), "bpf-prog")));
}

Napi::Value BpfProgram::OpenById(const Napi::CallbackInfo& info) {
  return Status(info.Env(), fd_.Take(bpf_prog_get_fd_by_id(U32(info[0]))));
}

Napi::Value BpfProgram::Adopt(const Napi::CallbackInfo& info) { return Status(info.Env(), fd_.Take(I32(info[0]))); }

Napi::Value BpfProgram::Fd(const Napi::CallbackInfo& info) { return Status(info.Env(), fd_.get()); }

Napi::Value BpfProgram::Info(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct bpf_prog_info program = {};
  uint32_t length = sizeof(program);
  int rc = bpf_obj_get_info_by_fd(fd_.get(), &program, &length);
  if (rc < 0) return Status(env, rc);
  const struct bpf_prog_info first = program;

  // Second call with room for the map ids and the program's own entry among its functions, which is the first; everything
  // else that has a buffer stays off.
  std::vector<uint32_t> map_ids(first.nr_map_ids);
  struct bpf_func_info function = {};
  program = {};
  program.nr_map_ids = first.nr_map_ids;
  program.map_ids = PointerField(map_ids.data());
  if (first.nr_func_info > 0) {
    program.nr_func_info = 1;
    program.func_info_rec_size = sizeof(function);
    program.func_info = PointerField(&function);
  }
  length = sizeof(program);
  rc = bpf_obj_get_info_by_fd(fd_.get(), &program, &length);
  if (rc < 0) return Status(env, rc);

  char tag[2 * BPF_TAG_SIZE + 1];
  for (int i = 0; i < BPF_TAG_SIZE; i++) snprintf(tag + 2 * i, 3, "%02x", program.tag[i]);
  Napi::Object out = Napi::Object::New(env);
  out.Set("id", Napi::Number::New(env, program.id));
  out.Set("type", Napi::Number::New(env, program.type));
  out.Set("name", Napi::String::New(env, program.name, strnlen(program.name, sizeof(program.name))));
  out.Set("tag", Napi::String::New(env, tag));
  out.Set("verifiedInsns", Napi::Number::New(env, program.verified_insns));
  out.Set("xlatedBytes", Napi::Number::New(env, first.xlated_prog_len));
  out.Set("jitedBytes", Napi::Number::New(env, first.jited_prog_len));
  out.Set("btfId", Napi::Number::New(env, program.btf_id));
  out.Set("functionTypeId", Napi::Number::New(env, function.type_id));
  out.Set("createdByUid", Napi::Number::New(env, program.created_by_uid));
  out.Set("loadTimeNs", BigUint(env, program.load_time));
  out.Set("runTimeNs", BigUint(env, program.run_time_ns));
  out.Set("runCount", BigUint(env, program.run_cnt));
  Napi::Array ids = Napi::Array::New(env, map_ids.size());
  for (uint32_t i = 0; i < map_ids.size(); i++) ids.Set(i, Napi::Number::New(env, map_ids[i]));
  out.Set("mapIds", ids);
  return out;
}

// testRun(data or undefined, dataOut or undefined, context or undefined, contextOut or undefined, repeat, flags)
// -> [rc, retval, dataLength, contextLength, durationNs]
Napi::Value BpfProgram::TestRun(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  auto length_of = [](const Napi::Value& value) -> uint32_t {
    return value.IsTypedArray() ? static_cast<uint32_t>(value.As<Napi::TypedArray>().ByteLength()) : 0;
  };
  LIBBPF_OPTS(bpf_test_run_opts, opts);
  opts.data_in = BytesOf(info[0]);
  opts.data_size_in = length_of(info[0]);
  opts.data_out = BytesOf(info[1]);
  opts.data_size_out = length_of(info[1]);
  opts.ctx_in = BytesOf(info[2]);
  opts.ctx_size_in = length_of(info[2]);
  opts.ctx_out = BytesOf(info[3]);
  opts.ctx_size_out = length_of(info[3]);
  opts.repeat = I32(info[4]);
  opts.flags = U32(info[5]);
  int rc = bpf_prog_test_run_opts(fd_.get(), &opts);
  Napi::Array out = Napi::Array::New(env, 5);
  out.Set(0u, Napi::Number::New(env, rc));
  out.Set(1u, Napi::Number::New(env, opts.retval));
  out.Set(2u, Napi::Number::New(env, opts.data_size_out));
  out.Set(3u, Napi::Number::New(env, opts.ctx_size_out));
  out.Set(4u, Napi::Number::New(env, opts.duration));
  return out;
}

Napi::Value BpfProgram::Pin(const Napi::CallbackInfo& info) {
  return Status(info.Env(), bpf_obj_pin(fd_.get(), Str(info[0]).c_str()));
}

void BpfProgram::Close(const Napi::CallbackInfo&) { fd_.Reset(); }

}  // namespace cts
