#pragma once

#include <pybind11/pybind11.h>
#include <sys/uio.h>

#include <cstddef>
#include <vector>

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

  // Fills at most `count` vectors with what comes first; returns how many.
  int gather(iovec* vectors, int count) const;

  // Forgets the first `count` bytes, which were sent.
  void consume(std::size_t count);

  void clear();

 private:
  struct Piece {
    PyObject* bytes;
    std::size_t offset;
  };

  std::vector<Piece> pieces_;
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

}  // namespace cxxloop
