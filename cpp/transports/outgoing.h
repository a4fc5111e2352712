#pragma once

#include <pybind11/pybind11.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstddef>
#include <vector>

#include "transports/system_calls.h"

namespace cxxloop {

// The bytes that are still to be sent, in order. Holds bytes objects only: whatever
// could change after write() returned has been copied. Needs the GIL.
class Outgoing {
 public:
  Outgoing() = default;
  ~Outgoing() { clear(); }
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;

  [[nodiscard]] bool empty() const { return first_ == pieces_.size(); }
  [[nodiscard]] std::size_t size() const { return size_; }

  // Appends what follows `offset` in a non-empty view of `owner`: by reference if it is a
  // bytes object, else as a copy. False: a Python error is set, nothing was appended.
  bool append(PyObject* owner, const char* data, std::size_t length, std::size_t offset);

  // Calls send(vectors, count), which returns as sendmsg() does, until nothing is left or no more
  // is taken. Returns 0 or an errno value.
  template <class Send>
  int send_with(Send&& send) {
    while (!empty()) {
      iovec vectors[kVectors];
      const int count = gather(vectors, kVectors);
      std::size_t offered = 0;
      for (int i = 0; i < count; ++i) offered += vectors[i].iov_len;
      const ssize_t sent = send(vectors, count);
      if (sent < 0) return is_try_again(errno) ? 0 : errno;
      consume(static_cast<std::size_t>(sent));
      if (static_cast<std::size_t>(sent) < offered) return 0;
    }
    return 0;
  }

  // Fills at most `count` vectors with what comes first; returns how many.
  int gather(iovec* vectors, int count) const;

  // Forgets the first `count` bytes, which were sent.
  void consume(std::size_t count);

  void clear();

 private:
  static constexpr int kVectors = 64;

  struct Piece {
    PyObject* bytes;
    std::size_t offset;
  };

  std::vector<Piece> pieces_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace cxxloop
