#include <pybind11/pybind11.h>

#include "bindings/bindings.h"
#include "bindings/method_arguments.h"
#include "bindings/transport_slots.h"
#include "cpython/errors.h"
#include "cpython/stdlib.h"
#include "transports/read_pipe_transport.h"
#include "transports/write_pipe_transport.h"

namespace cxxloop {

namespace {

template <class Transport>
Transport* as(PyObject* self) {
  return reinterpret_cast<TransportObject<Transport>*>(self)->transport();
}

// A method without arguments that returns None.
template <class Transport, auto Method>
PyObject* call(PyObject* self, PyObject* /*unused*/) {
  return guarded([self] { return none_if((as<Transport>(self)->*Method)()); });
}

template <class Transport, auto Question>
PyObject* answer(PyObject* self, PyObject* /*unused*/) {
  return PyBool_FromLong((as<Transport>(self)->*Question)());
}

template <class Transport, auto Question>
PyObject* get_bool(PyObject* self, void* /*closure*/) {
  return PyBool_FromLong((as<Transport>(self)->*Question)());
}

template <Py_ssize_t (WritePipeTransport::*Number)() const>
PyObject* get_number(PyObject* self, void* /*closure*/) {
  return PyLong_FromSsize_t((as<WritePipeTransport>(self)->*Number)());
}

template <class Transport, auto Object>
PyObject* get_object(PyObject* self, void* /*closure*/) {
  return new_or_none((as<Transport>(self)->*Object)());
}

template <class Transport>
int set_pipe(PyObject* self, PyObject* pipe, void* /*closure*/) {
  as<Transport>(self)->set_pipe(pipe == Py_None ? nullptr : pipe);
  return 0;
}

template <class Transport>
PyObject* get_fileno(PyObject* self, void* /*closure*/) {
  return PyLong_FromLong(as<Transport>(self)->fd());
}

template <class Transport>
PyObject* get_protocol(PyObject* self, PyObject* /*unused*/) {
  return new_or_none(as<Transport>(self)->protocol());
}

template <class Transport>
PyObject* set_protocol(PyObject* self, FastArguments arguments, Py_ssize_t count,
                       PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[1] = {};
    if (!read_arguments("set_protocol", arguments, count, keywords, {"protocol"}, values)) {
      return nullptr;
    }
    as<Transport>(self)->set_protocol(values[0]);
    return Py_NewRef(Py_None);
  });
}

template <class Transport>
PyObject* call_connection_lost(PyObject* self, PyObject* exception) {
  return guarded([&] { return none_if(as<Transport>(self)->connection_lost(exception)); });
}

template <class Transport>
PyObject* repr(PyObject* self) {
  return guarded([self] { return as<Transport>(self)->repr(); });
}

// Reading

using Reader = ReadPipeTransport;

PyMethodDef reader_methods[] = {
    {"close", call<Reader, &Reader::close>, METH_NOARGS,
     "close($self, /)\n--\n\nClose the pipe; nothing more is received."},
    {"is_closing", answer<Reader, &Reader::is_closing>, METH_NOARGS,
     "is_closing($self, /)\n--\n\nReturn whether the transport is closing or closed."},
    {"is_reading", answer<Reader, &Reader::is_reading>, METH_NOARGS,
     "is_reading($self, /)\n--\n\nReturn whether data is being received."},
    {"pause_reading", call<Reader, &Reader::pause_reading>, METH_NOARGS,
     "pause_reading($self, /)\n--\n\nStop calling the protocol with data until resume_reading()."},
    {"resume_reading", call<Reader, &Reader::resume_reading>, METH_NOARGS,
     "resume_reading($self, /)\n--\n\nReceive again after pause_reading()."},
    {"set_protocol", function(set_protocol<Reader>), kKeywords,
     "set_protocol($self, protocol)\n--\n\nReplace the protocol."},
    {"get_protocol", get_protocol<Reader>, METH_NOARGS,
     "get_protocol($self, /)\n--\n\nReturn the protocol."},
    {"_read_ready", call<Reader, &Reader::read_ready>, METH_NOARGS, nullptr},
    {"_call_connection_lost", call_connection_lost<Reader>, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef reader_attributes[] = {
    {"_loop", get_object<Reader, &PipeTransport::loop_object>, nullptr, nullptr, nullptr},
    {"_pipe", get_object<Reader, &PipeTransport::pipe>, set_pipe<Reader>, nullptr, nullptr},
    {"_protocol", get_object<Reader, &PipeTransport::protocol>, nullptr, nullptr, nullptr},
    {"_fileno", get_fileno<Reader>, nullptr, nullptr, nullptr},
    {"_closing", get_bool<Reader, &Reader::is_closing>, nullptr, nullptr, nullptr},
    {"_paused", get_bool<Reader, &Reader::paused>, nullptr, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

// Writing

using Writer = WritePipeTransport;

PyObject* write(PyObject* self, FastArguments arguments, Py_ssize_t count, PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[1] = {};
    if (!read_arguments("write", arguments, count, keywords, {"data"}, values)) return nullptr;
    return none_if(as<Writer>(self)->write(values[0]));
  });
}

PyObject* can_write_eof(PyObject* /*self*/, PyObject* /*unused*/) { Py_RETURN_TRUE; }

PyObject* get_write_buffer_size(PyObject* self, PyObject* /*unused*/) {
  return PyLong_FromSize_t(as<Writer>(self)->write_buffer_size());
}

PyObject* get_write_buffer_limits(PyObject* self, PyObject* /*unused*/) {
  return as<Writer>(self)->write_buffer_limits();
}

PyObject* set_write_buffer_limits(PyObject* self, FastArguments arguments, Py_ssize_t count,
                                  PyObject* keywords) {
  return guarded([&]() -> PyObject* {
    PyObject* values[2] = {Py_None, Py_None};
    if (!read_arguments("set_write_buffer_limits", arguments, count, keywords, {"high", "low"},
                        values)) {
      return nullptr;
    }
    return none_if(as<Writer>(self)->set_write_buffer_limits(values[0], values[1]));
  });
}

PyMethodDef writer_methods[] = {
    {"write", function(write), kKeywords,
     "write($self, data)\n--\n\n"
     "Send bytes-like data, or keep it until the pipe takes it.\n\n"
     "Raises AssertionError for other types."},
    {"write_eof", call<Writer, &Writer::write_eof>, METH_NOARGS,
     "write_eof($self, /)\n--\n\nClose the pipe once everything has been sent."},
    {"can_write_eof", can_write_eof, METH_NOARGS,
     "can_write_eof($self, /)\n--\n\nReturn True: to close a pipe is to end it."},
    {"close", call<Writer, &Writer::close>, METH_NOARGS,
     "close($self, /)\n--\n\nClose the pipe once everything has been sent."},
    {"abort", call<Writer, &Writer::abort>, METH_NOARGS,
     "abort($self, /)\n--\n\nClose the pipe at once; what was not sent is lost."},
    {"is_closing", answer<Writer, &Writer::is_closing>, METH_NOARGS,
     "is_closing($self, /)\n--\n\nReturn whether the transport is closing or closed."},
    {"set_protocol", function(set_protocol<Writer>), kKeywords,
     "set_protocol($self, protocol)\n--\n\nReplace the protocol."},
    {"get_protocol", get_protocol<Writer>, METH_NOARGS,
     "get_protocol($self, /)\n--\n\nReturn the protocol."},
    {"get_write_buffer_size", get_write_buffer_size, METH_NOARGS,
     "get_write_buffer_size($self, /)\n--\n\nReturn how many bytes wait to be sent."},
    {"get_write_buffer_limits", get_write_buffer_limits, METH_NOARGS,
     "get_write_buffer_limits($self, /)\n--\n\nReturn the water marks in bytes, (low, high)."},
    {"set_write_buffer_limits", function(set_write_buffer_limits), kKeywords,
     "set_write_buffer_limits($self, high=None, low=None)\n--\n\n"
     "Set the water marks, in bytes, for pause_writing() and resume_writing()."},
    {"_read_ready", call<Writer, &Writer::read_ready>, METH_NOARGS, nullptr},
    {"_write_ready", call<Writer, &Writer::write_ready>, METH_NOARGS, nullptr},
    {"_call_connection_lost", call_connection_lost<Writer>, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef writer_attributes[] = {
    {"_loop", get_object<Writer, &PipeTransport::loop_object>, nullptr, nullptr, nullptr},
    {"_pipe", get_object<Writer, &PipeTransport::pipe>, set_pipe<Writer>, nullptr, nullptr},
    {"_protocol", get_object<Writer, &PipeTransport::protocol>, nullptr, nullptr, nullptr},
    {"_fileno", get_fileno<Writer>, nullptr, nullptr, nullptr},
    {"_closing", get_bool<Writer, &Writer::is_closing>, nullptr, nullptr, nullptr},
    {"_conn_lost", get_number<&Writer::lost_count>, nullptr, nullptr, nullptr},
    {"_protocol_paused", get_bool<Writer, &Writer::protocol_paused>, nullptr, nullptr, nullptr},
    {"_high_water", get_number<&Writer::high_water>, nullptr, nullptr, nullptr},
    {"_low_water", get_number<&Writer::low_water>, nullptr, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace

void bind_pipe_transports(py::module_& module) {
  read_pipe_transport_type = make_transport_type<Reader>(
      module, "cxxloop._core.ReadPipeTransport", {stdlib.read_transport_type},
      {{Py_tp_doc, const_cast<char*>("The reading end of a pipe; an asyncio.ReadTransport.")},
       {Py_tp_methods, reader_methods},
       {Py_tp_getset, reader_attributes},
       {Py_tp_repr, reinterpret_cast<void*>(repr<Reader>)}});
  const py::handle reader(reinterpret_cast<PyObject*>(read_pipe_transport_type));
  reader.attr("max_size") = Loop::kReadBufferSize;
  write_pipe_transport_type = make_transport_type<Writer>(
      module, "cxxloop._core.WritePipeTransport", {stdlib.transport_type},
      {{Py_tp_doc, const_cast<char*>("The writing end of a pipe; an asyncio.Transport.")},
       {Py_tp_methods, writer_methods},
       {Py_tp_getset, writer_attributes},
       {Py_tp_repr, reinterpret_cast<void*>(repr<Writer>)}});
}

}  // namespace cxxloop
