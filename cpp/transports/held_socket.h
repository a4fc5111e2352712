#pragma once

#include <pybind11/pybind11.h>

#include "cpython/ref.h"

namespace cxxloop {

// The Python socket that a transport was given or made, and closes its descriptor with.
//
// Counts as one of the socket's users from hold() to close(): whoever closes that socket beside
// us must not free a number that we still send to. Needs the GIL.
class HeldSocket {
 public:
  // False: a Python error is set, and the socket is not held.
  bool hold(PyObject* socket);

  // Closes the descriptor, unless the socket has more users. What fails can't be raised any more.
  // The socket stays, closed.
  void close();

  explicit operator bool() const { return static_cast<bool>(socket_); }
  // Borrowed; null until held.
  [[nodiscard]] PyObject* ptr() const { return socket_.ptr(); }
  void clear() { socket_ = Ref(); }

 private:
  Ref socket_;
  bool counted_ = false;
};

// Whether a number that a caller's socket gave is an open descriptor; false with the exception
// set that the selectors module or the system has for it.
bool is_open_descriptor(int fd);

}  // namespace cxxloop
