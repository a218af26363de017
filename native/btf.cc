#include "btf.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <memory>

namespace cts {

namespace {

struct FreeBtf {
  void operator()(struct btf* btf) const { btf__free(btf); }
};
using Btf = std::unique_ptr<struct btf, FreeBtf>;

constexpr int kMaxDepth = 24;  // BTF from outside may nest without end

const char* NameOf(const struct btf* btf, const struct btf_type* type) {
  const char* name = btf__name_by_offset(btf, type->name_off);
  return name == nullptr ? "" : name;
}

Napi::Value Describe(Napi::Env env, const struct btf* btf, uint32_t type_id, int depth);

Napi::Array Enumerators(Napi::Env env, const struct btf* btf, const struct btf_type* type) {
  const uint32_t count = btf_vlen(type);
  Napi::Array out = Napi::Array::New(env, count);
  for (uint32_t i = 0; i < count; i++) {
    const bool is_wide = btf_is_enum64(type);
    const uint32_t name_offset = is_wide ? btf_enum64(type)[i].name_off : btf_enum(type)[i].name_off;
    int64_t value = is_wide ? static_cast<int64_t>(btf_enum64_value(&btf_enum64(type)[i])) : btf_enum(type)[i].val;
    if (!is_wide && !btf_kflag(type)) value = static_cast<uint32_t>(value);
    Napi::Array pair = Napi::Array::New(env, 2);
    pair.Set(0u, Napi::String::New(env, btf__name_by_offset(btf, name_offset)));
    pair.Set(1u, Napi::BigInt::New(env, value));
    out.Set(i, pair);
  }
  return out;
}

Napi::Array Members(Napi::Env env, const struct btf* btf, const struct btf_type* type, int depth) {
  const uint32_t count = btf_vlen(type);
  Napi::Array out = Napi::Array::New(env, count);
  for (uint32_t i = 0; i < count; i++) {
    const struct btf_member& member = btf_members(type)[i];
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", Napi::String::New(env, btf__name_by_offset(btf, member.name_off)));
    entry.Set("bitOffset", Napi::Number::New(env, btf_member_bit_offset(type, i)));
    const uint32_t bitfield = btf_member_bitfield_size(type, i);
    const int64_t size = btf__resolve_size(btf, member.type);
    const double bits = bitfield != 0 ? bitfield : (size < 0 ? 0 : static_cast<double>(size) * 8);
    entry.Set("bitSize", Napi::Number::New(env, bits));
    entry.Set("type", Describe(env, btf, member.type, depth + 1));
    out.Set(i, entry);
  }
  return out;
}

/// The global variables of a section, whose values lie side by side in one map.
Napi::Array Variables(Napi::Env env, const struct btf* btf, const struct btf_type* type, int depth) {
  const uint32_t count = btf_vlen(type);
  Napi::Array out = Napi::Array::New(env, count);
  for (uint32_t i = 0; i < count; i++) {
    const struct btf_var_secinfo& place = btf_var_secinfos(type)[i];
    const struct btf_type* variable = btf__type_by_id(btf, place.type);
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("name", Napi::String::New(env, variable == nullptr ? "" : NameOf(btf, variable)));
    entry.Set("bitOffset", Napi::Number::New(env, static_cast<double>(place.offset) * 8));
    entry.Set("bitSize", Napi::Number::New(env, static_cast<double>(place.size) * 8));
    const bool is_variable = variable != nullptr && btf_is_var(variable);
    entry.Set("type", is_variable ? Describe(env, btf, variable->type, depth + 1) : env.Undefined());
    out.Set(i, entry);
  }
  return out;
}

void DescribeBody(Napi::Env env, const struct btf* btf, const struct btf_type* type, int depth, Napi::Object out) {
  switch (btf_kind(type)) {
    case BTF_KIND_INT:
      out.Set("kind", "int");
      out.Set("isSigned", Napi::Boolean::New(env, (btf_int_encoding(type) & BTF_INT_SIGNED) != 0));
      return;
    case BTF_KIND_ENUM:
    case BTF_KIND_ENUM64:
      out.Set("kind", "enum");
      out.Set("values", Enumerators(env, btf, type));
      return;
    case BTF_KIND_STRUCT:
    case BTF_KIND_UNION:
      out.Set("kind", btf_is_union(type) ? "union" : "struct");
      out.Set("members", Members(env, btf, type, depth));
      return;
    case BTF_KIND_ARRAY:
      out.Set("kind", "array");
      out.Set("length", Napi::Number::New(env, btf_array(type)->nelems));
      out.Set("element", Describe(env, btf, btf_array(type)->type, depth + 1));
      return;
    case BTF_KIND_DATASEC:
      out.Set("kind", "struct");
      out.Set("members", Variables(env, btf, type, depth));
      return;
    case BTF_KIND_FLOAT:
      out.Set("kind", "float");
      return;
    case BTF_KIND_PTR:
      out.Set("kind", "pointer");
      return;
    default:
      out.Set("kind", "other");
  }
}

/// The data type of a name: a function may have the same one. 0 when there is none.
uint32_t FindType(const struct btf* btf, const std::string& name) {
  constexpr uint32_t kinds[] = {BTF_KIND_STRUCT,  BTF_KIND_UNION, BTF_KIND_ENUM,
                                BTF_KIND_ENUM64, BTF_KIND_TYPEDEF, BTF_KIND_INT};
  for (const uint32_t kind : kinds) {
    const int id = btf__find_by_name_kind(btf, name.c_str(), kind);
    if (id > 0) return static_cast<uint32_t>(id);
  }
  return 0;
}

Napi::Value Describe(Napi::Env env, const struct btf* btf, uint32_t type_id, int depth) {
  const struct btf_type* type = btf__type_by_id(btf, type_id);
  if (type == nullptr || type_id == 0 || depth > kMaxDepth) return env.Undefined();
  Napi::Object out = Napi::Object::New(env);
  for (int hops = 0; hops < kMaxDepth && (btf_is_mod(type) || btf_is_typedef(type)); hops++) {
    if (btf_is_typedef(type) && !out.Has("alias")) out.Set("alias", Napi::String::New(env, NameOf(btf, type)));
    type = btf__type_by_id(btf, type->type);
    if (type == nullptr) return env.Undefined();
  }
  const int64_t size = btf__resolve_size(btf, type_id);
  out.Set("name", Napi::String::New(env, NameOf(btf, type)));
  out.Set("sizeBytes", Napi::Number::New(env, size < 0 ? 0 : static_cast<double>(size)));
  DescribeBody(env, btf, type, depth, out);
  return out;
}

}  // namespace

Napi::Value KernelEnum(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Btf btf(btf__load_vmlinux_btf());
  if (btf == nullptr) return Status(env, -errno);
  const std::string name = Str(info[0]);
  int id = btf__find_by_name_kind(btf.get(), name.c_str(), BTF_KIND_ENUM);
  if (id < 0) id = btf__find_by_name_kind(btf.get(), name.c_str(), BTF_KIND_ENUM64);
  if (id < 0) return env.Undefined();
  return Enumerators(env, btf.get(), btf__type_by_id(btf.get(), static_cast<uint32_t>(id)));
}

Napi::Value KernelBtfIds(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Btf btf(btf__load_vmlinux_btf());
  if (btf == nullptr) return Status(env, -errno);
  auto names = info[0].As<Napi::Array>();
  Napi::Array out = Napi::Array::New(env, names.Length());
  for (uint32_t i = 0; i < names.Length(); i++) {
    const Napi::Value entry = names[i];
    const std::string name = Str(entry);
    int id = btf__find_by_name_kind(btf.get(), name.c_str(), BTF_KIND_FUNC);
    if (id < 0) id = btf__find_by_name_kind(btf.get(), name.c_str(), BTF_KIND_TYPEDEF);
    out.Set(i, Napi::Number::New(env, id < 0 ? 0 : id));
  }
  return out;
}

Napi::Value DescribeBtfType(Napi::Env env, const struct btf* btf, uint32_t type_id) {
  return Describe(env, btf, type_id, 0);
}

Napi::Value BtfTypes(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Btf btf(btf__load_from_kernel_by_id(U32(info[0])));
  if (btf == nullptr) return Status(env, -errno);
  auto ids = info[1].As<Napi::Array>();
  Napi::Array out = Napi::Array::New(env, ids.Length());
  for (uint32_t i = 0; i < ids.Length(); i++) {
    Napi::Value id = ids[i];
    out.Set(i, Describe(env, btf.get(), U32(id), 0));
  }
  return out;
}

Napi::Value BtfTypesByName(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Btf btf(btf__load_from_kernel_by_id(U32(info[0])));
  if (btf == nullptr) return Status(env, -errno);
  auto names = info[1].As<Napi::Array>();
  Napi::Array out = Napi::Array::New(env, names.Length());
  for (uint32_t i = 0; i < names.Length(); i++) {
    const Napi::Value name = names[i];
    out.Set(i, Describe(env, btf.get(), FindType(btf.get(), Str(name)), 0));
  }
  return out;
}

}  // namespace cts
