#pragma once

#include <pybind11/pybind11.h>

#include <cerrno>
#include <cstddef>

namespace cxxloop {

// Reads from a descriptor into bytes objects: where much arrives straight into the object, else
// through a buffer, as small objects are cheaper to copy to than large ones to allocate.
class ByteReader {
 public:
  // Below the size from which malloc() maps fresh pages each time.
  static constexpr Py_ssize_t kLargeRoom = 128 * 1024 - 256;

  explicit ByteReader(Py_ssize_t room = kLargeRoom) : room_(room) {}

  // The bytes that read(target, size) gives; empty at the end of the stream. Null: `error` is
  // an errno value, or a Python exception is set and it is 0.
  template <class Read>
  PyObject* read(char* buffer, std::size_t size, int* error, Read&& read) {
    *error = 0;
    if (!large_) {
      const ssize_t count = read(buffer, size);
      if (count >= 0) {
        large_ = count >= kLarge;
        return PyBytes_FromStringAndSize(buffer, count);
      }
      *error = errno;
      return nullptr;
    }
    PyObject* bytes = PyBytes_FromStringAndSize(nullptr, room_);
    if (bytes == nullptr) return nullptr;
    const ssize_t count = read(PyBytes_AS_STRING(bytes), static_cast<std::size_t>(room_));
    if (count < 0) {
      *error = errno;
      Py_DECREF(bytes);
      return nullptr;
    }
    large_ = count >= kLarge;
    return _PyBytes_Resize(&bytes, count) < 0 ? nullptr : bytes;
  }

 private:
  static constexpr Py_ssize_t kLarge = 32 * 1024;

  Py_ssize_t room_;
  bool large_ = false;
};

}  // namespace cxxloop
