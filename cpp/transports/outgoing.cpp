#include "transports/outgoing.h"

namespace cxxloop {

namespace {

// How many consumed pieces may stay in front before the rest is moved up.
constexpr std::size_t kCompactAfter = 1024;

}  // namespace

bool Outgoing::append(PyObject* owner, const char* data, std::size_t length, std::size_t offset) {
  pieces_.reserve(pieces_.size() + 1 <= pieces_.capacity() ? 0 : 2 * pieces_.size() + 2);
  if (PyBytes_CheckExact(owner)) {
    Py_INCREF(owner);
    pieces_.push_back({owner, offset});
  } else {
    PyObject* const copy =
        PyBytes_FromStringAndSize(data + offset, static_cast<Py_ssize_t>(length - offset));
    if (copy == nullptr) return false;
    pieces_.push_back({copy, 0});
  }
  size_ += length - offset;
  return true;
}

int Outgoing::gather(iovec* vectors, int count) const {
  int filled = 0;
  for (std::size_t i = first_; i < pieces_.size() && filled < count; ++i, ++filled) {
    const Piece& piece = pieces_[i];
    vectors[filled].iov_base = PyBytes_AS_STRING(piece.bytes) + piece.offset;
    vectors[filled].iov_len =
        static_cast<std::size_t>(PyBytes_GET_SIZE(piece.bytes)) - piece.offset;
  }
  return filled;
}

void Outgoing::consume(std::size_t count) {
  size_ -= count;
  while (count > 0) {
    Piece& piece = pieces_[first_];
    const std::size_t left = static_cast<std::size_t>(PyBytes_GET_SIZE(piece.bytes)) - piece.offset;
    if (count < left) {
      piece.offset += count;
      break;
    }
    count -= left;
    ++first_;
    Py_DECREF(piece.bytes);  // Exact bytes: frees memory, runs no code.
  }
  if (empty()) {
    pieces_.clear();
    first_ = 0;
  } else if (first_ >= kCompactAfter && first_ * 2 >= pieces_.size()) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

void Outgoing::clear() {
  for (std::size_t i = first_; i < pieces_.size(); ++i) Py_DECREF(pieces_[i].bytes);
  pieces_.clear();
  first_ = 0;
  size_ = 0;
}

}  // namespace cxxloop
