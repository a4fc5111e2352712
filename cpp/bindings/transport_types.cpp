#include <pybind11/pybind11.h>

#include "bindings/bindings.h"
#include "bindings/method_arguments.h"
#include "bindings/transport_slots.h"
#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/ref.h"
#include "cpython/stdlib.h"
#include "transports/listener.h"
#include "transports/stream_transport.h"

namespace cxxloop {

namespace {

StreamTransport* as_transport(PyObject* self) {
  return reinterpret_cast<StreamTransportObject*>(self)->transport();
}

PyObject* write(PyObject* self, FastArguments arguments, Py_ssize_t count, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    if (count == 1 && keywords == nullptr) [[likely]]
      return as_transport(self)->write(arguments[0]);
    PyObject* values[1] = {};
    if (!read_arguments("write", arguments, count, keywords, {"data"}, values)) return nullptr;
    return as_transport(self)->write(values[0]);
  });
}

PyObject* writelines(PyObject* self, FastArguments arguments, Py_ssize_t count,
                     PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[1] = {};
    if (!read_arguments("writelines", arguments, count, keywords, {"list_of_data"}, values)) {
      return nullptr;
    }
    return as_transport(self)->writelines(values[0]);
  });
}

PyObject* write_eof(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return as_transport(self)->write_eof(); });
}

PyObject* can_write_eof(PyObject* /*self*/, PyObject* /*unused*/) { Py_RETURN_TRUE; }

PyObject* close(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return none_if(as_transport(self)->close()); });
}

PyObject* abort(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return none_if(as_transport(self)->abort()); });
}

PyObject* force_close(PyObject* self, PyObject* exception) {
  return guarded([&] {
    return none_if(as_transport(self)->force_close(exception == Py_None ? nullptr : exception));
  });
}

PyObject* is_closing(PyObject* self, PyObject* /*unused*/) {
  return PyBool_FromLong(as_transport(self)->is_closing());
}

PyObject* is_reading(PyObject* self, PyObject* /*unused*/) {
  return PyBool_FromLong(as_transport(self)->is_reading());
}

PyObject* pause_reading(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return none_if(as_transport(self)->pause_reading()); });
}

PyObject* resume_reading(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return none_if(as_transport(self)->resume_reading()); });
}

PyObject* set_protocol(PyObject* self, FastArguments arguments, Py_ssize_t count,
                       PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[1] = {};
    if (!read_arguments("set_protocol", arguments, count, keywords, {"protocol"}, values)) {
      return nullptr;
    }
    return none_if(as_transport(self)->set_protocol(values[0]));
  });
}

PyObject* get_protocol(PyObject* self, PyObject* /*unused*/) {
  return new_or_none(as_transport(self)->protocol());
}

PyObject* get_extra_info(PyObject* self, FastArguments arguments, Py_ssize_t count,
                         PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[2] = {nullptr, Py_None};
    if (!read_arguments("get_extra_info", arguments, count, keywords, {"name", "default"},
                        values)) {
      return nullptr;
    }
    return as_transport(self)->extra_info(values[0], values[1]);
  });
}

PyObject* get_write_buffer_size(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return as_transport(self)->write_buffer_size(); });
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

PyObject* make_empty_waiter(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return as_transport(self)->make_empty_waiter(); });
}

PyObject* reset_empty_waiter(PyObject* self, PyObject* /*unused*/) {
  as_transport(self)->set_empty_waiter(Ref());
  Py_RETURN_NONE;
}

PyMethodDef transport_methods[] = {
    {"write", function(write), kKeywords,
     "write($self, data)\n--\n\n"
     "Send bytes-like data, or keep it until the peer takes it.\n\n"
     "Raises TypeError for other types and RuntimeError after write_eof()."},
    {"writelines", function(writelines), kKeywords,
     "writelines($self, list_of_data)\n--\n\nSend the items of an iterable of bytes-like data."},
    {"write_eof", write_eof, METH_NOARGS,
     "write_eof($self, /)\n--\n\nEnd the sending side once everything has been sent."},
    {"can_write_eof", can_write_eof, METH_NOARGS,
     "can_write_eof($self, /)\n--\n\nReturn True: sockets can be half closed."},
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
     "Return 'socket', 'sockname', 'peername' or what else is known by that name."},
    {"get_write_buffer_size", get_write_buffer_size, METH_NOARGS,
     "get_write_buffer_size($self, /)\n--\n\nReturn how many bytes wait to be sent."},
    {"get_write_buffer_limits", get_write_buffer_limits, METH_NOARGS,
     "get_write_buffer_limits($self, /)\n--\n\nReturn the water marks in bytes, (low, high)."},
    {"set_write_buffer_limits", function(set_write_buffer_limits), kKeywords,
     "set_write_buffer_limits($self, high=None, low=None)\n--\n\n"
     "Set the water marks, in bytes, for pause_writing() and resume_writing()."},
    {"_make_empty_waiter", make_empty_waiter, METH_NOARGS, nullptr},
    {"_reset_empty_waiter", reset_empty_waiter, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyObject* get_loop(PyObject* self, void* /*closure*/) {
  return new_or_none(as_transport(self)->loop_object());
}

PyObject* get_protocol_attribute(PyObject* self, void* /*closure*/) {
  return new_or_none(as_transport(self)->protocol());
}

PyObject* get_server(PyObject* self, void* /*closure*/) {
  return new_or_none(as_transport(self)->server());
}

PyObject* get_sock(PyObject* self, void* /*closure*/) {
  return guarded([self] {
    StreamTransport* const transport = as_transport(self);
    return transport->fd() < 0 ? Py_NewRef(Py_None) : Py_XNewRef(transport->python_socket());
  });
}

PyObject* get_sock_fd(PyObject* self, void* /*closure*/) {
  return PyLong_FromLong(as_transport(self)->fd());
}

PyObject* get_extra(PyObject* self, void* /*closure*/) {
  return guarded([self] { return as_transport(self)->extra(); });
}

PyObject* get_lost(PyObject* self, void* /*closure*/) {
  return PyLong_FromSsize_t(as_transport(self)->lost_count());
}

PyObject* get_empty_waiter(PyObject* self, void* /*closure*/) {
  return new_or_none(as_transport(self)->empty_waiter());
}

int set_empty_waiter(PyObject* self, PyObject* waiter, void* /*closure*/) {
  const bool absent = waiter == nullptr || waiter == Py_None;
  as_transport(self)->set_empty_waiter(absent ? Ref() : borrow(waiter));
  return 0;
}

template <bool (StreamTransport::*Question)() const>
PyObject* get_bool(PyObject* self, void* /*closure*/) {
  return PyBool_FromLong((as_transport(self)->*Question)());
}

PyGetSetDef transport_attributes[] = {
    {"_loop", get_loop, nullptr, nullptr, nullptr},
    {"_protocol", get_protocol_attribute, nullptr, nullptr, nullptr},
    {"_server", get_server, nullptr, nullptr, nullptr},
    {"_sock", get_sock, nullptr, nullptr, nullptr},
    {"_sock_fd", get_sock_fd, nullptr, nullptr, nullptr},
    {"_extra", get_extra, nullptr, nullptr, nullptr},
    {"_conn_lost", get_lost, nullptr, nullptr, nullptr},
    {"_closing", get_bool<&StreamTransport::is_closing>, nullptr, nullptr, nullptr},
    {"_paused", get_bool<&StreamTransport::paused>, nullptr, nullptr, nullptr},
    {"_eof", get_bool<&StreamTransport::eof_written>, nullptr, nullptr, nullptr},
    {"_protocol_paused", get_bool<&StreamTransport::protocol_paused>, nullptr, nullptr, nullptr},
    {"_empty_waiter", get_empty_waiter, set_empty_waiter, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyObject* repr(PyObject* self) {
  return guarded([self] { return as_transport(self)->repr(); });
}

PyTypeObject* bind_stream_transport(py::module_& module) {
  PyTypeObject* const type = make_transport_type<StreamTransport>(
      module, "cxxloop._core.StreamTransport", {stdlib.transport_type},
      {{Py_tp_doc,
        const_cast<char*>("A connected TCP or Unix stream socket; an asyncio.Transport.")},
       {Py_tp_methods, transport_methods},
       {Py_tp_getset, transport_attributes},
       {Py_tp_repr, reinterpret_cast<void*>(repr)}});
  const py::handle attributes(reinterpret_cast<PyObject*>(type));
  attributes.attr("_start_tls_compatible") = true;
  attributes.attr("max_size") = Loop::kReadBufferSize;
  const py::object sendfile_modes = py::module_::import("asyncio.constants").attr("_SendfileMode");
  attributes.attr("_sendfile_compatible") = sendfile_modes.attr("TRY_NATIVE");
  return type;
}

void listener_dealloc(PyObject* self) {
  PyObject_GC_UnTrack(self);
  auto* const object = reinterpret_cast<ListenerObject*>(self);
  if (object->constructed) object->listener()->~Listener();
  PyTypeObject* const type = Py_TYPE(self);
  type->tp_free(self);
  Py_DECREF(type);
}

int listener_traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  auto* const object = reinterpret_cast<ListenerObject*>(self);
  return object->constructed ? object->listener()->traverse(visit, arg) : 0;
}

int listener_clear(PyObject* self) {
  auto* const object = reinterpret_cast<ListenerObject*>(self);
  if (object->constructed) object->listener()->clear();
  return 0;
}

PyTypeObject* bind_listener(py::module_& module) {
  PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>("Accepts the connections of a listening socket.")},
      {Py_tp_dealloc, reinterpret_cast<void*>(listener_dealloc)},
      {Py_tp_traverse, reinterpret_cast<void*>(listener_traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(listener_clear)},
      {0, nullptr},
  };
  PyType_Spec spec{"cxxloop._core.Listener", sizeof(ListenerObject), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                   slots};
  Ref type = steal(PyType_FromModuleAndSpec(module.ptr(), &spec, nullptr));
  module.add_object("Listener", type);
  return reinterpret_cast<PyTypeObject*>(type.release().ptr());
}

}  // namespace

void bind_transports(py::module_& module) {
  stream_transport_type = bind_stream_transport(module);
  listener_type = bind_listener(module);
}

}  // namespace cxxloop
