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

TlsProtocolObject* as_object(PyObject* self) { return reinterpret_cast<TlsProtocolObject*>(self); }

TlsProtocol* as_protocol(PyObject* self) { return as_object(self)->protocol(); }

template <void (TlsProtocol::*Method)()>
PyObject* call(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] {
    (as_protocol(self)->*Method)();
    return Py_NewRef(Py_None);
  });
}

template <void (TlsProtocol::*Method)(PyObject*)>
PyObject* call_with(PyObject* self, PyObject* argument) {
  return guarded([&] {
    (as_protocol(self)->*Method)(argument);
    return Py_NewRef(Py_None);
  });
}

PyObject* get_buffer(PyObject* self, PyObject* hint) {
  return guarded([&] { return as_protocol(self)->get_buffer(hint); });
}

PyObject* buffer_updated(PyObject* self, PyObject* count) {
  return guarded([&]() -> PyObject* {
    const std::size_t size = PyLong_AsSize_t(count);
    if (size == static_cast<std::size_t>(-1) && PyErr_Occurred() != nullptr) return nullptr;
    as_protocol(self)->buffer_updated(size);
    return Py_NewRef(Py_None);
  });
}

PyObject* eof_received(PyObject* self, PyObject* /*unused*/) {
  return guarded(
      [self] { return Py_NewRef(as_protocol(self)->eof_received() ? Py_True : Py_None); });
}

PyMethodDef methods[] = {
    {"connection_made", call_with<&TlsProtocol::connection_made>, METH_O, nullptr},
    {"connection_lost", call_with<&TlsProtocol::connection_lost>, METH_O, nullptr},
    {"get_buffer", get_buffer, METH_O, nullptr},
    {"buffer_updated", buffer_updated, METH_O, nullptr},
    {"eof_received", eof_received, METH_NOARGS, nullptr},
    {"pause_writing", call<&TlsProtocol::pause_writing>, METH_NOARGS, nullptr},
    {"resume_writing", call<&TlsProtocol::resume_writing>, METH_NOARGS, nullptr},
    {"_check_handshake_timeout", call<&TlsProtocol::check_handshake_timeout>, METH_NOARGS, nullptr},
    {"_check_shutdown_timeout", call<&TlsProtocol::check_shutdown_timeout>, METH_NOARGS, nullptr},
    {"_feed", call_with<&TlsProtocol::feed>, METH_O, nullptr},
    {"_do_read", call<&TlsProtocol::do_read>, METH_NOARGS, nullptr},
    {"_go_on_reading", call<&TlsProtocol::go_on_reading>, METH_NOARGS, nullptr},
    {"_close_lower", call<&TlsProtocol::close_lower>, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

template <PyObject* (TlsProtocol::*Attribute)() const>
PyObject* get(PyObject* self, void* /*closure*/) {
  return new_or_none((as_protocol(self)->*Attribute)());
}

template <PyObject* (SslEngine::*Attribute)() const>
PyObject* get_of_engine(PyObject* self, void* /*closure*/) {
  return new_or_none((as_protocol(self)->engine().*Attribute)());
}

template <bool (TlsProtocol::*Question)() const>
PyObject* get_bool(PyObject* self, void* /*closure*/) {
  return PyBool_FromLong((as_protocol(self)->*Question)());
}

PyGetSetDef attributes[] = {
    {"_loop", get<&TlsProtocol::loop_object>, nullptr, nullptr, nullptr},
    {"_transport", get<&TlsProtocol::lower_transport>, nullptr, nullptr, nullptr},
    {"_app_transport", get<&TlsProtocol::app_transport>, nullptr, nullptr, nullptr},
    {"_app_protocol", get<&TlsProtocol::app_protocol>, nullptr, nullptr, nullptr},
    {"_app_reading_paused", get_bool<&TlsProtocol::app_reading_paused>, nullptr, nullptr, nullptr},
    {"_app_writing_paused", get_bool<&TlsProtocol::app_writing_paused>, nullptr, nullptr, nullptr},
    {"_waiter", get<&TlsProtocol::waiter>, nullptr, nullptr, nullptr},
    {"_extra", get<&TlsProtocol::extra>, nullptr, nullptr, nullptr},
    {"_sslobj", get_of_engine<&SslEngine::ssl_object>, nullptr, nullptr, nullptr},
    {"_incoming", get_of_engine<&SslEngine::incoming>, nullptr, nullptr, nullptr},
    {"_outgoing", get_of_engine<&SslEngine::outgoing>, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TlsProtocolObject, weak_references), READONLY,
     nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

void dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  PyObject_ClearWeakRefs(self);
  if (as_object(self)->constructed) as_protocol(self)->~TlsProtocol();
  PyTypeObject* const type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  return as_object(self)->constructed ? as_protocol(self)->traverse(visit, arg) : 0;
}

int clear(PyObject* self) {
  if (as_object(self)->constructed) as_protocol(self)->clear();
  return 0;
}

}  // namespace

void bind_tls_protocol(py::module_& module) {
  PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>("One side of a TLS connection; an asyncio.BufferedProtocol.")},
      {Py_tp_methods, methods},
      {Py_tp_getset, attributes},
      {Py_tp_members, members},
      {Py_tp_dealloc, reinterpret_cast<void*>(dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {0, nullptr},
  };
  PyType_Spec spec{"cxxloop._core.SSLProtocol", sizeof(TlsProtocolObject), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                   slots};
  Ref type = steal(PyType_FromModuleAndSpec(module.ptr(), &spec, stdlib.buffered_protocol_type));
  module.add_object("SSLProtocol", type);
  tls_protocol_type = reinterpret_cast<PyTypeObject*>(type.release().ptr());
  native_protocol_type = tls_protocol_type;
}

}  // namespace cxxloop
