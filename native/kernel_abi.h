// bpf(2) attributes newer than the headers and the libbpf 1.1 that this addon is compiled against. The layouts are kernel
// UAPI (include/uapi/linux/bpf.h) and never change; the kernel accepts a longer attribute whose unknown tail is zero.
#pragma once

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace cts {

/// BPF_LINK_CREATE, the members that tc (6.6), cgroup (5.7) and XDP (5.9) links use.
struct LinkCreateAttr {
  uint32_t prog_fd;
  uint32_t target;  // ifindex or descriptor
  uint32_t attach_type;
  uint32_t flags;
  uint32_t relative;  // tcx: descriptor or id of the neighbour, see BPF_F_ID and BPF_F_LINK
  uint32_t pad;
  uint64_t expected_revision;
};

/// BPF_PROG_QUERY with the members that multi-program hooks got in 6.6.
struct ProgQueryAttr {
  uint32_t target;
  uint32_t attach_type;
  uint32_t query_flags;
  uint32_t attach_flags;
  uint64_t prog_ids;
  uint32_t count;
  uint32_t pad;
  uint64_t prog_attach_flags;
  uint64_t link_ids;
  uint64_t link_attach_flags;
  uint64_t revision;
};

/// struct bpf_link_info: the union starts at byte 16.
struct LinkInfo {
  uint32_t type;
  uint32_t id;
  uint32_t prog_id;
  uint32_t pad;
  union {
    struct {
      uint64_t name;
      uint32_t name_length;
    } raw_tracepoint;
    struct {
      uint32_t attach_type;
    } tracing;
    struct {
      uint64_t cgroup_id;
      uint32_t attach_type;
    } cgroup;
    struct {
      uint32_t ifindex;
      uint32_t attach_type;  // absent (0) for XDP
    } device;
    uint8_t reserve[112];
  };
};

template <typename Attr>
int BpfSyscall(enum bpf_cmd command, Attr* attr) {
  long rc = syscall(SYS_bpf, command, attr, sizeof(*attr));
  return rc < 0 ? -errno : static_cast<int>(rc);
}

}  // namespace cts
