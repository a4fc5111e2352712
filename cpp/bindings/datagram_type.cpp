#include <pybind11/pybind11.h>

#include "bindings/bindings.h"
#include "bindings/method_arguments.h"
#include "bindings/transport_slots.h"
#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/ref.h"
#include "cpython/stdlib.h"
#include "transports/datagram_transport.h"

namespace cxxloop {

namespace {

DatagramTransport* as_transport(PyObject* self) {
  return reinterpret_cast<DatagramTransportObject*>(self)->transport();
}

PyObject* sendto(PyObject* self, FastArguments arguments, Py_ssize_t count, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    if (count == 2 && keywords == nullptr) [[likely]]
      return as_transport(self)->sendto(arguments[0], arguments[1]);
    PyObject* values[2] = {nullptr, Py_None};
    if (!read_arguments("sendto", arguments, count, keywords, {"data", "addr"}, values)) {
      return nullptr;
    }
    return as_transport(self)->sendto(values[0], values[1]);
  });
}

// A method without arguments that returns None.
template <bool (DatagramTransport::*Action)()>
PyObject* act(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return none_if((as_transport(self)->*Action)()); });
}

template <PyObject* (DatagramTransport::*Question)()>
PyObject* ask(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return (as_transport(self)->*Question)(); });
}

template <bool (DatagramTransport::*Question)() const>
PyObject* ask_bool(PyObject* self, PyObject* /*unused*/) {
  return PyBool_FromLong((as_transport(self)->*Question)());
}

template <PyObject* (DatagramTransport::*Question)() const>
PyObject* ask_object(PyObject* self, PyObject* /*unused*/) {
  return new_or_none((as_transport(self)->*Question)());
}

PyObject* force_close(PyObject* self, PyObject* exception) {
  return guarded([&] {
    return none_if(as_transport(self)->force_close(exception == Py_None ? nullptr : exception));
  });
}

PyObject* set_protocol(PyObject* self, FastArguments arguments, Py_ssize_t count,
                       PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[1] = {};
    if (!read_arguments("set_protocol", arguments, count, keywords, {"protocol"}, values)) {
      return nullptr;
    }
    as_transport(self)->set_protocol(values[0]);
    return Py_NewRef(Py_None);
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
    PyObject* const extra = reinterpret_cast<DatagramTransportObject*>(self)->extra;
    PyObject* const known = PyDict_GetItemWithError(extra, values[0]);
    if (known == nullptr) return PyErr_Occurred() != nullptr ? nullptr : Py_NewRef(values[1]);
    const Ref kept = borrow(known);
    const bool is_socket =
        PyUnicode_Check(values[0]) && PyUnicode_Compare(values[0], names.socket) == 0;
    if (is_socket && !as_transport(self)->share_socket()) return nullptr;
    return Py_NewRef(kept.ptr());
  });
}

PyObject* get_write_buffer_limits(PyObject* self, PyObject* /*unused*/) {
  return as_transport(self)->water_marks().to_python();
}

PyObject* set_write_buffer_limits(PyObject* self, FastArguments arguments, Py_ssize_t count,
                                  PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[2] = {Py_None, Py_None};
    if (!read_arguments("set_write_buffer_limits", arguments, count, keywords, {"high", "low"},
                        values)) {
      return nullptr;
    }
    return none_if(as_transport(self)->set_write_buffer_limits(values[0], values[1]));
  });
}

PyMethodDef methods[] = {
    {"sendto", function(sendto), kKeywords,
     "sendto($self, data, addr=None)\n--\n\n"
     "Send a datagram, or keep it until the socket takes it.\n\n"
     "`addr` is where to; None for the peer of a connected socket. Raises TypeError for data that "
     "is not bytes-like and ValueError for another address than the endpoint's only one. Errors "
     "of the network go to protocol.error_received()."},
    {"close", act<&DatagramTransport::close>, METH_NOARGS,
     "close($self, /)\n--\n\nClose the transport once everything has been sent."},
    {"abort", act<&DatagramTransport::abort>, METH_NOARGS,
     "abort($self, /)\n--\n\nClose the transport at once; what was not sent is lost."},
    {"_force_close", force_close, METH_O, nullptr},
    {"is_closing", ask_bool<&DatagramTransport::is_closing>, METH_NOARGS,
     "is_closing($self, /)\n--\n\nReturn whether the transport is closing or closed."},
    {"is_reading", ask_bool<&DatagramTransport::is_reading>, METH_NOARGS,
     "is_reading($self, /)\n--\n\nReturn whether datagrams are being received."},
    {"pause_reading", act<&DatagramTransport::pause_reading>, METH_NOARGS,
     "pause_reading($self, /)\n--\n\n"
     "Stop calling the protocol with datagrams until resume_reading()."},
    {"resume_reading", act<&DatagramTransport::resume_reading>, METH_NOARGS,
     "resume_reading($self, /)\n--\n\nReceive again after pause_reading()."},
    {"set_protocol", function(set_protocol), kKeywords,
     "set_protocol($self, protocol)\n--\n\nReplace the protocol."},
    {"get_protocol", ask_object<&DatagramTransport::protocol>, METH_NOARGS,
     "get_protocol($self, /)\n--\n\nReturn the protocol."},
    {"get_extra_info", function(get_extra_info), kKeywords,
     "get_extra_info($self, name, default=None)\n--\n\n"
     "Return 'socket', 'sockname', 'peername' or what else is known by that name."},
    {"get_write_buffer_size", ask<&DatagramTransport::write_buffer_size>, METH_NOARGS,
     "get_write_buffer_size($self, /)\n--\n\nReturn how many bytes wait to be sent."},
    {"get_write_buffer_limits", get_write_buffer_limits, METH_NOARGS,
     "get_write_buffer_limits($self, /)\n--\n\nReturn the water marks in bytes, (low, high)."},
    {"set_write_buffer_limits", function(set_write_buffer_limits), kKeywords,
     "set_write_buffer_limits($self, high=None, low=None)\n--\n\n"
     "Set the water marks, in bytes, for pause_writing() and resume_writing()."},
    {"_read_ready", act<&DatagramTransport::on_readable>, METH_NOARGS, nullptr},
    {"_sendto_ready", act<&DatagramTransport::on_writable>, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyObject* get_sock(PyObject* self, void* /*closure*/) {
  return guarded([self]() -> PyObject* {
    if (!as_transport(self)->share_socket()) return nullptr;
    return new_or_none(as_transport(self)->python_socket());
  });
}

PyObject* get_extra(PyObject* self, void* /*closure*/) {
  return guarded([self]() -> PyObject* {
    if (!as_transport(self)->share_socket()) return nullptr;
    return new_or_none(reinterpret_cast<DatagramTransportObject*>(self)->extra);
  });
}

PyObject* get_sock_fd(PyObject* self, void* /*closure*/) {
  return PyLong_FromLong(as_transport(self)->fd());
}

PyObject* get_lost(PyObject* self, void* /*closure*/) {
  return PyLong_FromSsize_t(as_transport(self)->lost_count());
}

template <PyObject* (DatagramTransport::*Part)() const>
PyObject* get_object(PyObject* self, void* /*closure*/) {
  return new_or_none((as_transport(self)->*Part)());
}

template <PyObject* (DatagramTransport::*Part)()>
PyObject* get_made(PyObject* self, void* /*closure*/) {
  return guarded([self] { return (as_transport(self)->*Part)(); });
}

template <bool (DatagramTransport::*Question)() const>
PyObject* get_bool(PyObject* self, void* /*closure*/) {
  return PyBool_FromLong((as_transport(self)->*Question)());
}

PyGetSetDef attributes[] = {
    {"_loop", get_object<&DatagramTransport::loop_object>, nullptr, nullptr, nullptr},
    {"_protocol", get_object<&DatagramTransport::protocol>, nullptr, nullptr, nullptr},
    {"_address", get_object<&DatagramTransport::target>, nullptr, nullptr, nullptr},
    {"_sock", get_sock, nullptr, nullptr, nullptr},
    {"_sock_fd", get_sock_fd, nullptr, nullptr, nullptr},
    {"_extra", get_extra, nullptr, nullptr, nullptr},
    {"_buffer", get_made<&DatagramTransport::buffer>, nullptr, nullptr, nullptr},
    {"_buffer_size", get_made<&DatagramTransport::write_buffer_size>, nullptr, nullptr, nullptr},
    {"_conn_lost", get_lost, nullptr, nullptr, nullptr},
    {"_closing", get_bool<&DatagramTransport::is_closing>, nullptr, nullptr, nullptr},
    {"_paused", get_bool<&DatagramTransport::paused>, nullptr, nullptr, nullptr},
    {"_protocol_paused", get_bool<&DatagramTransport::protocol_paused>, nullptr, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyObject* repr(PyObject* self) {
  return guarded([self] { return as_transport(self)->repr(); });
}

}  // namespace

void bind_datagram_transport(py::module_& module) {
  // asyncio's own datagram transports are instances of both classes.
  datagram_transport_type = make_transport_type<DatagramTransport>(
      module, "cxxloop._core.DatagramTransport",
      {stdlib.transport_type, stdlib.datagram_transport_type},
      {{Py_tp_doc, const_cast<char*>("A datagram socket; an asyncio.DatagramTransport.")},
       {Py_tp_methods, methods},
       {Py_tp_getset, attributes},
       {Py_tp_repr, reinterpret_cast<void*>(repr)}});
  const py::handle type(reinterpret_cast<PyObject*>(datagram_transport_type));
  type.attr("max_size") = Loop::kReadBufferSize;
}

}  // namespace cxxloop
