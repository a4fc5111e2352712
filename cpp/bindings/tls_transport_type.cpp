#include <pybind11/pybind11.h>
#include <structmember.h>

#include <cstddef>

#include "bindings/bindings.h"
#include "bindings/method_arguments.h"
#include "cpython/errors.h"
#include "cpython/ref.h"
#include "cpython/stdlib.h"
#include "tls/tls_protocol.h"

namespace cxxloop {

namespace {

TlsTransportObject* as_object(PyObject* self) {
  return reinterpret_cast<TlsTransportObject*>(self);
}

// Null once close() was called a second time: the connection can be forgotten then.
TlsProtocol* protocol_of(PyObject* self) {
  PyObject* const protocol = as_object(self)->protocol;
  return protocol == nullptr ? nullptr : reinterpret_cast<TlsProtocolObject*>(protocol)->protocol();
}

// Runs body(protocol); where there is none any more the answer is `otherwise`.
template <class Body>
PyObject* with_protocol(PyObject* self, PyObject* otherwise, Body&& body) {
  return guarded([&]() -> PyObject* {
    const Ref keep = py::reinterpret_borrow<Ref>(as_object(self)->protocol);
    return keep ? body(*protocol_of(self)) : Py_NewRef(otherwise);
  });
}

// The same for what returns nothing.
template <class Body>
PyObject* none_after(PyObject* self, Body&& body) {
  return with_protocol(self, Py_None, [&](TlsProtocol& protocol) {
    body(protocol);
    return Py_NewRef(Py_None);
  });
}

PyObject* write(PyObject* self, FastArguments arguments, Py_ssize_t count, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[1] = {};
    if (count == 1 && keywords == nullptr) {
      values[0] = arguments[0];
    } else if (!read_arguments("write", arguments, count, keywords, {"data"}, values)) {
      return nullptr;
    }
    PyObject* const data = values[0];
    if (!PyBytes_Check(data) && !PyByteArray_Check(data) && !PyMemoryView_Check(data)) {
      PyErr_Format(PyExc_TypeError, "data: expecting a bytes-like instance, got %s",
                   _PyType_Name(Py_TYPE(data)));
      return nullptr;
    }
    const Py_ssize_t length = PyObject_Length(data);
    if (length < 0) return nullptr;
    if (length == 0) return Py_NewRef(Py_None);
    return none_after(self, [&](TlsProtocol& protocol) { protocol.write(data); });
  });
}

PyObject* writelines(PyObject* self, FastArguments arguments, Py_ssize_t count,
                     PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[1] = {};
    if (!read_arguments("writelines", arguments, count, keywords, {"list_of_data"}, values)) {
      return nullptr;
    }
    return none_after(self, [&](TlsProtocol& protocol) { protocol.writelines(values[0]); });
  });
}

PyObject* write_eof(PyObject* /*self*/, PyObject* /*unused*/) {
  PyErr_SetNone(PyExc_NotImplementedError);
  return nullptr;
}

PyObject* can_write_eof(PyObject* /*self*/, PyObject* /*unused*/) { Py_RETURN_FALSE; }

PyObject* close(PyObject* self, PyObject* /*unused*/) {
  return none_after(self, [self](TlsProtocol& protocol) {
    if (as_object(self)->closed) {
      Py_CLEAR(as_object(self)->protocol);
    } else {
      as_object(self)->closed = true;
      protocol.start_shutdown();
    }
  });
}

PyObject* force_close(PyObject* self, PyObject* exception) {
  as_object(self)->closed = true;
  return none_after(self, [&](TlsProtocol& protocol) {
    protocol.abort(exception == Py_None ? nullptr : exception);
  });
}

PyObject* abort(PyObject* self, PyObject* /*unused*/) { return force_close(self, Py_None); }

PyObject* is_closing(PyObject* self, PyObject* /*unused*/) {
  if (as_object(self)->closed) Py_RETURN_TRUE;
#if PY_VERSION_HEX >= 0x030E0000
  return with_protocol(self, Py_True, [](const TlsProtocol& protocol) {
    return PyBool_FromLong(protocol.is_lower_closing());
  });
#else
  Py_RETURN_FALSE;
#endif
}

PyObject* is_reading(PyObject* self, PyObject* /*unused*/) {
  return with_protocol(self, Py_False, [](const TlsProtocol& protocol) {
    return PyBool_FromLong(protocol.is_reading());
  });
}

PyObject* pause_reading(PyObject* self, PyObject* /*unused*/) {
  return none_after(self, [](TlsProtocol& protocol) { protocol.pause_reading(); });
}

PyObject* resume_reading(PyObject* self, PyObject* /*unused*/) {
  return none_after(self, [](TlsProtocol& protocol) { protocol.resume_reading(); });
}

PyObject* set_protocol(PyObject* self, FastArguments arguments, Py_ssize_t count,
                       PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[1] = {};
    if (!read_arguments("set_protocol", arguments, count, keywords, {"protocol"}, values)) {
      return nullptr;
    }
    return none_after(self, [&](TlsProtocol& protocol) { protocol.set_app_protocol(values[0]); });
  });
}

PyObject* get_protocol(PyObject* self, PyObject* /*unused*/) {
  return with_protocol(self, Py_None, [](const TlsProtocol& protocol) {
    return new_or_none(protocol.app_protocol());
  });
}

PyObject* get_extra_info(PyObject* self, FastArguments arguments, Py_ssize_t count,
                         PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[2] = {nullptr, Py_None};
    if (!read_arguments("get_extra_info", arguments, count, keywords, {"name", "default"},
                        values)) {
      return nullptr;
    }
    return with_protocol(self, values[1], [&](TlsProtocol& protocol) {
      return protocol.extra_info(values[0], values[1]).release().ptr();
    });
  });
}

template <void (TlsProtocol::*Set)(PyObject*, PyObject*)>
PyObject* set_limits(PyObject* self, FastArguments arguments, Py_ssize_t count,
                     PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[2] = {Py_None, Py_None};
    if (!read_arguments("set_buffer_limits", arguments, count, keywords, {"high", "low"}, values)) {
      return nullptr;
    }
    return none_after(self, [&](TlsProtocol& protocol) { (protocol.*Set)(values[0], values[1]); });
  });
}

template <const WaterMarks& (TlsProtocol::*Limits)() const>
PyObject* get_limits(PyObject* self, PyObject* /*unused*/) {
  return with_protocol(
      self, Py_None, [](const TlsProtocol& protocol) { return (protocol.*Limits)().to_python(); });
}

template <std::size_t (TlsProtocol::*Size)() const>
PyObject* get_size(PyObject* self, PyObject* /*unused*/) {
  return with_protocol(self, Py_None, [](const TlsProtocol& protocol) {
    return PyLong_FromSize_t((protocol.*Size)());
  });
}

// CPython's own tests put data behind a connection's back.
PyObject* append_write_backlog(PyObject* self, PyObject* data) {
  return none_after(self, [&](TlsProtocol& protocol) { protocol.append_to_backlog(data); });
}

PyMethodDef methods[] = {
    {"write", function(write), kKeywords,
     "write($self, data)\n--\n\n"
     "Encrypt and send bytes-like data, or keep it until the peer takes it.\n\n"
     "Raises TypeError for other types."},
    {"writelines", function(writelines), kKeywords,
     "writelines($self, list_of_data)\n--\n\nSend the items of an iterable of bytes-like data."},
    {"write_eof", write_eof, METH_NOARGS,
     "write_eof($self, /)\n--\n\nRaise NotImplementedError: TLS has no half-closed connections."},
    {"can_write_eof", can_write_eof, METH_NOARGS,
     "can_write_eof($self, /)\n--\n\nReturn False: TLS has no half-closed connections."},
    {"close", close, METH_NOARGS,
     "close($self, /)\n--\n\nClose the connection once everything has been sent."},
    {"abort", abort, METH_NOARGS,
     "abort($self, /)\n--\n\nClose the connection at once; what was not sent is lost."},
    {"_force_close", force_close, METH_O, nullptr},
    {"is_closing", is_closing, METH_NOARGS,
     "is_closing($self, /)\n--\n\nReturn whether the transport is closing or closed."},
    {"is_reading", is_reading, METH_NOARGS,
     "is_reading($self, /)\n--\n\nReturn whether data is being received."},
    {"pause_reading", pause_reading, METH_NOARGS,
     "pause_reading($self, /)\n--\n\nStop calling the protocol with data until resume_reading()."},
    {"resume_reading", resume_reading, METH_NOARGS,
     "resume_reading($self, /)\n--\n\nReceive again after pause_reading()."},
    {"set_protocol", function(set_protocol), kKeywords,
     "set_protocol($self, protocol)\n--\n\nReplace the protocol."},
    {"get_protocol", get_protocol, METH_NOARGS,
     "get_protocol($self, /)\n--\n\nReturn the protocol."},
    {"get_extra_info", function(get_extra_info), kKeywords,
     "get_extra_info($self, name, default=None)\n--\n\n"
     "Return 'ssl_object', 'peercert', 'cipher', 'sslcontext' or what the socket below knows."},
    {"set_write_buffer_limits", function(set_limits<&TlsProtocol::set_write_limits>), kKeywords,
     "set_write_buffer_limits($self, high=None, low=None)\n--\n\n"
     "Set the water marks, in bytes, for pause_writing() and resume_writing()."},
    {"get_write_buffer_limits", get_limits<&TlsProtocol::write_limits>, METH_NOARGS,
     "get_write_buffer_limits($self, /)\n--\n\nReturn the water marks in bytes, (low, high)."},
    {"get_write_buffer_size", get_size<&TlsProtocol::write_buffer_size>, METH_NOARGS,
     "get_write_buffer_size($self, /)\n--\n\nReturn how many bytes wait to be sent."},
    {"set_read_buffer_limits", function(set_limits<&TlsProtocol::set_read_limits>), kKeywords,
     "set_read_buffer_limits($self, high=None, low=None)\n--\n\n"
     "Set how many encrypted bytes may wait before the socket is read no more, and how few for "
     "it to be read again."},
    {"get_read_buffer_limits", get_limits<&TlsProtocol::read_limits>, METH_NOARGS,
     "get_read_buffer_limits($self, /)\n--\n\nReturn the water marks in bytes, (low, high)."},
    {"get_read_buffer_size", get_size<&TlsProtocol::read_buffer_size>, METH_NOARGS,
     "get_read_buffer_size($self, /)\n--\n\nReturn how many encrypted bytes were not read yet."},
    {"_test__append_write_backlog", append_write_backlog, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyObject* get_loop(PyObject* self, void* /*closure*/) {
  return with_protocol(self, Py_None, [](const TlsProtocol& protocol) {
    return new_or_none(protocol.loop_object());
  });
}

PyObject* get_ssl_protocol(PyObject* self, void* /*closure*/) {
  return new_or_none(as_object(self)->protocol);
}

PyObject* get_closed(PyObject* self, void* /*closure*/) {
  return PyBool_FromLong(as_object(self)->closed);
}

PyObject* get_protocol_paused(PyObject* self, void* /*closure*/) {
  return with_protocol(self, Py_False, [](const TlsProtocol& protocol) {
    return PyBool_FromLong(protocol.app_writing_paused());
  });
}

PyGetSetDef attributes[] = {
    {"_loop", get_loop, nullptr, nullptr, nullptr},
    {"_ssl_protocol", get_ssl_protocol, nullptr, nullptr, nullptr},
    {"_closed", get_closed, nullptr, nullptr, nullptr},
    {"_protocol_paused", get_protocol_paused, nullptr, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(TlsTransportObject, dictionary), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TlsTransportObject, weak_references), READONLY,
     nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

void finalize(PyObject* self) {
  if (as_object(self)->closed) return;
  as_object(self)->closed = true;
  const SavedError saved;
  if (PyErr_WarnEx(PyExc_ResourceWarning,
                   "unclosed transport <asyncio._SSLProtocolTransport object>", 1) < 0) {
    PyErr_WriteUnraisable(self);
  }
}

void dealloc(PyObject* self) {
  if (PyObject_CallFinalizerFromDealloc(self) < 0) return;  // Somebody kept it after all.
  PyObject_GC_UnTrack(self);
  PyObject_ClearWeakRefs(self);
  Py_CLEAR(as_object(self)->unused_extra);
  Py_CLEAR(as_object(self)->dictionary);
  Py_CLEAR(as_object(self)->protocol);
  PyTypeObject* const type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(as_object(self)->unused_extra);
  Py_VISIT(as_object(self)->dictionary);
  Py_VISIT(as_object(self)->protocol);
  return 0;
}

// The protocol stays: methods need it, and the cycle through it is broken on its side.
int clear(PyObject* self) {
  Py_CLEAR(as_object(self)->unused_extra);
  Py_CLEAR(as_object(self)->dictionary);
  return 0;
}

}  // namespace

void bind_tls_transport(py::module_& module) {
  PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>("An encrypted connection; an asyncio.Transport.")},
      {Py_tp_methods, methods},
      {Py_tp_getset, attributes},
      {Py_tp_members, members},
      {Py_tp_finalize, reinterpret_cast<void*>(finalize)},
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {0, nullptr},
  };
  PyType_Spec spec{"cxxloop._core.SSLTransport", sizeof(TlsTransportObject), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                   slots};
  Ref type = steal(PyType_FromModuleAndSpec(module.ptr(), &spec, stdlib.transport_type));
  type.attr("_start_tls_compatible") = true;
  const py::object sendfile_modes = py::module_::import("asyncio.constants").attr("_SendfileMode");
  type.attr("_sendfile_compatible") = sendfile_modes.attr("FALLBACK");
  module.add_object("SSLTransport", type);
  tls_transport_type = reinterpret_cast<PyTypeObject*>(type.release().ptr());
}

}  // namespace cxxloop
