#pragma once

#include <string>

namespace cts {

/// Collects what libbpf prints on this thread (its warnings and the verifier's log) while it lives. libbpf has one print
/// function per process; the collector is per thread, so that worker threads do not mix their logs.
class LibbpfLog {
 public:
  LibbpfLog();
  ~LibbpfLog();
  LibbpfLog(const LibbpfLog&) = delete;
  LibbpfLog& operator=(const LibbpfLog&) = delete;

  const std::string& text() const { return text_; }

  /// Makes libbpf print into the collectors instead of to stderr. Once per process.
  static void Install();
  void Append(const char* text, size_t length);

 private:
  std::string text_;
  LibbpfLog* outer_;
};

}  // namespace cts
