#pragma once

#include <pybind11/pybind11.h>

namespace cxxloop {

// The Python object that a transport is a part of. The first fields are those of
// asyncio.BaseTransport, to which none of its subclasses adds any.
template <class Transport>
struct TransportObject {
  PyObject_HEAD
  PyObject* extra;  // _extra
  PyObject* dictionary;
  PyObject* weak_references;
  bool constructed;
  alignas(Transport) unsigned char storage[sizeof(Transport)];

  Transport* transport() { return reinterpret_cast<Transport*>(storage); }
};

}  // namespace cxxloop
