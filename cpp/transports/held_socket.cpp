#include "transports/held_socket.h"

#include <fcntl.h>

#include <cerrno>

#include "cpython/names.h"

namespace cxxloop {

bool is_open_descriptor(int fd) {
  if (fd >= 0 && (fcntl(fd, F_GETFD) != -1 || errno != EBADF)) return true;
  if (fd < 0) {
    PyErr_Format(PyExc_ValueError, "Invalid file descriptor: %d", fd);
  } else {
    PyErr_SetFromErrno(PyExc_OSError);
  }
  return false;
}

bool HeldSocket::hold(PyObject* socket) {
  const Ref uses = py::reinterpret_steal<Ref>(PyObject_GetAttr(socket, names._io_refs));
  if (uses) {
    const Ref one = steal(PyLong_FromLong(1));
    const Ref more = steal(PyNumber_Add(uses.ptr(), one.ptr()));
    if (PyObject_SetAttr(socket, names._io_refs, more.ptr()) < 0) return false;
  } else if (PyErr_ExceptionMatches(PyExc_AttributeError) != 0) {
    PyErr_Clear();  // Not made by the socket module: closing it is all that can be done.
  } else {
    return false;
  }
  counted_ = static_cast<bool>(uses);
  socket_ = borrow(socket);
  return true;
}

void HeldSocket::close() {
  PyObject* result = PyObject_CallMethodNoArgs(socket_.ptr(), names.close);
  if (result != nullptr && counted_) {
    Py_DECREF(result);
    result = PyObject_CallMethodNoArgs(socket_.ptr(), names._decref_socketios);
  }
  if (result == nullptr) PyErr_WriteUnraisable(socket_.ptr());
  Py_XDECREF(result);
}

}  // namespace cxxloop
