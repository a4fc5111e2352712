#pragma once

#include <pybind11/pybind11.h>

#include <cstddef>

namespace cxxloop {

// A protocol in C++: gets its bytes without a Python object in between. For everything else it is
// the asyncio.BufferedProtocol that its Python object is.
class NativeProtocol {
 public:
  // Called on the loop's thread with the GIL; `data` is valid until this returns. False: a Python
  // exception is set, as if buffer_updated() had raised it.
  virtual bool bytes_received(const char* data, std::size_t length) = 0;

 protected:
  ~NativeProtocol() = default;
};

// How the Python objects of native_protocol_type begin.
struct NativeProtocolObject {
  PyObject_HEAD
  NativeProtocol* native;
};

// The heap type of all native protocols; set once by the bindings.
extern PyTypeObject* native_protocol_type;

// The C++ part of a protocol; null if it has none.
inline NativeProtocol* native_part(PyObject* protocol) {
  return Py_IS_TYPE(protocol, native_protocol_type)
             ? reinterpret_cast<NativeProtocolObject*>(protocol)->native
             : nullptr;
}

}  // namespace cxxloop
