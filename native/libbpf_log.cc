#include "libbpf_log.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <vector>

namespace cts {

namespace {

// The end of a verifier log tells why; the middle of a long one does not.
constexpr size_t kKeepBytes = 256 * 1024;

thread_local LibbpfLog* current_log = nullptr;

int PrintToCurrentLog(enum libbpf_print_level level, const char* format, va_list args) {
  if (level == LIBBPF_DEBUG || current_log == nullptr) return 0;
  va_list measure;
  va_copy(measure, args);
  int length = vsnprintf(nullptr, 0, format, measure);
  va_end(measure);
  if (length <= 0) return 0;
  std::vector<char> line(static_cast<size_t>(length) + 1);
  vsnprintf(line.data(), line.size(), format, args);
  current_log->Append(line.data(), static_cast<size_t>(length));
  return 0;
}

}  // namespace

LibbpfLog::LibbpfLog() : outer_(current_log) { current_log = this; }
LibbpfLog::~LibbpfLog() { current_log = outer_; }

void LibbpfLog::Install() { libbpf_set_print(PrintToCurrentLog); }

void LibbpfLog::Append(const char* text, size_t length) {
  text_.append(text, length);
  if (text_.size() > kKeepBytes) text_.erase(0, text_.size() - kKeepBytes);
}

}  // namespace cts
