#include "tc_filter.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace cts {

namespace {

struct bpf_tc_hook HookOf(const Napi::CallbackInfo& info) {
  LIBBPF_OPTS(bpf_tc_hook, hook);
  hook.ifindex = I32(info[0]);
  hook.attach_point = info[1].ToBoolean() ? BPF_TC_INGRESS : BPF_TC_EGRESS;
  return hook;
}

const struct rtattr* FindAttribute(const struct rtattr* attribute, int length, unsigned short type) {
  for (; RTA_OK(attribute, length); attribute = RTA_NEXT(attribute, length)) {
    if ((attribute->rta_type & NLA_TYPE_MASK) == type) return attribute;
  }
  return nullptr;
}

uint32_t U32Attribute(const struct rtattr* attributes, int length, unsigned short type) {
  const struct rtattr* found = FindAttribute(attributes, length, type);
  uint32_t value = 0;
  if (found != nullptr && RTA_PAYLOAD(found) >= sizeof(value)) memcpy(&value, RTA_DATA(found), sizeof(value));
  return value;
}

Napi::String TextAttribute(Napi::Env env, const struct rtattr* attributes, int length, unsigned short type) {
  const struct rtattr* found = FindAttribute(attributes, length, type);
  if (found == nullptr) return Napi::String::New(env, "");
  const char* text = static_cast<const char*>(RTA_DATA(found));
  return Napi::String::New(env, text, strnlen(text, RTA_PAYLOAD(found)));
}

// One RTM_NEWTFILTER message as an object; undefined for the head of a priority, which is no filter.
Napi::Value DescribeFilter(Napi::Env env, const struct nlmsghdr* header) {
  const auto* filter = static_cast<const struct tcmsg*>(NLMSG_DATA(header));
  const struct rtattr* attributes = TCA_RTA(filter);
  const int length = static_cast<int>(NLMSG_PAYLOAD(header, sizeof(*filter)));
  const struct rtattr* options = FindAttribute(attributes, length, TCA_OPTIONS);
  if (filter->tcm_handle == 0 || options == nullptr) return env.Undefined();
  const auto* nested = static_cast<const struct rtattr*>(RTA_DATA(options));
  const int nested_length = static_cast<int>(RTA_PAYLOAD(options));
  const Napi::String kind = TextAttribute(env, attributes, length, TCA_KIND);
  const bool is_bpf = kind.Utf8Value() == "bpf";
  Napi::Object out = Napi::Object::New(env);
  out.Set("priority", Napi::Number::New(env, filter->tcm_info >> 16));
  out.Set("protocol", Napi::Number::New(env, ntohs(filter->tcm_info & 0xffff)));
  out.Set("handle", Napi::Number::New(env, filter->tcm_handle));
  out.Set("kind", kind);
  out.Set("name", is_bpf ? TextAttribute(env, nested, nested_length, TCA_BPF_NAME) : Napi::String::New(env, ""));
  out.Set("programId", Napi::Number::New(env, is_bpf ? U32Attribute(nested, nested_length, TCA_BPF_ID) : 0));
  const uint32_t flags = is_bpf ? U32Attribute(nested, nested_length, TCA_BPF_FLAGS) : 0;
  out.Set("directAction", Napi::Boolean::New(env, (flags & TCA_BPF_FLAG_ACT_DIRECT) != 0));
  return out;
}

// Sends the dump request; the answers come in as many datagrams as the kernel likes.
int RequestFilters(int socket_fd, int ifindex, bool ingress) {
  struct {
    struct nlmsghdr header;
    struct tcmsg filter;
  } request = {};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = RTM_GETTFILTER;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.filter.tcm_family = AF_UNSPEC;
  request.filter.tcm_ifindex = ifindex;
  request.filter.tcm_parent = TC_H_MAKE(TC_H_CLSACT, ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
  return send(socket_fd, &request, sizeof(request), 0) < 0 ? -errno : 0;
}

}  // namespace

Napi::Value ClsactAttach(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  struct bpf_tc_hook qdisc = HookOf(info);
  qdisc.attach_point = static_cast<enum bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
  int rc = bpf_tc_hook_create(&qdisc);
  const bool created = rc == 0;
  LIBBPF_OPTS(bpf_tc_opts, opts);
  opts.prog_fd = I32(info[2]);
  opts.handle = U32(info[3]);
  opts.priority = U32(info[4]);
  opts.flags = info[5].ToBoolean() ? BPF_TC_F_REPLACE : 0;
  if (created || rc == -EEXIST) {
    struct bpf_tc_hook hook = HookOf(info);
    rc = bpf_tc_attach(&hook, &opts);
  }
  Napi::Array out = Napi::Array::New(env, 4);
  out.Set(0u, Napi::Number::New(env, rc));
  out.Set(1u, Napi::Number::New(env, opts.handle));
  out.Set(2u, Napi::Number::New(env, opts.priority));
  out.Set(3u, Napi::Boolean::New(env, created));
  return out;
}

Napi::Value ClsactDetach(const Napi::CallbackInfo& info) {
  struct bpf_tc_hook hook = HookOf(info);
  LIBBPF_OPTS(bpf_tc_opts, opts);
  opts.handle = U32(info[2]);
  opts.priority = U32(info[3]);
  return Status(info.Env(), bpf_tc_detach(&hook, &opts));
}

Napi::Value ClsactDestroy(const Napi::CallbackInfo& info) {
  LIBBPF_OPTS(bpf_tc_hook, hook);
  hook.ifindex = I32(info[0]);
  hook.attach_point = static_cast<enum bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
  return Status(info.Env(), bpf_tc_hook_destroy(&hook));
}

Napi::Value ClsactFilters(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  UniqueFd socket_fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (socket_fd.get() < 0) return Status(env, -errno);
  int rc = RequestFilters(socket_fd.get(), I32(info[0]), info[1].ToBoolean());
  if (rc < 0) return Status(env, rc);
  Napi::Array out = Napi::Array::New(env);
  uint32_t count = 0;
  std::vector<uint8_t> datagram(64 * 1024);
  for (;;) {
    ssize_t received = recv(socket_fd.get(), datagram.data(), datagram.size(), 0);
    if (received < 0) return Status(env, -errno);
    auto* header = reinterpret_cast<const struct nlmsghdr*>(datagram.data());
    for (auto left = static_cast<uint32_t>(received); NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE) return out;
      if (header->nlmsg_type == NLMSG_ERROR) {
        return Status(env, static_cast<const struct nlmsgerr*>(NLMSG_DATA(header))->error);
      }
      if (header->nlmsg_type != RTM_NEWTFILTER) continue;
      Napi::Value filter = DescribeFilter(env, header);
      if (filter.IsObject()) out.Set(count++, filter);
    }
  }
}

}  // namespace cts
