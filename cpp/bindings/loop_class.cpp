#include "bindings/bindings.h"
#include "cpython/errors.h"
#include "cpython/names.h"
#include "cpython/ref.h"
#include "dns/address_literal.h"
#include "loop/loop.h"
#include "tls/tls_protocol.h"
#include "transports/datagram_transport.h"
#include "transports/listener.h"
#include "transports/read_pipe_transport.h"
#include "transports/stream_transport.h"
#include "transports/write_pipe_transport.h"

namespace cxxloop {

namespace {

Loop* loop_in(PyObject* self) {
  auto* const instance = reinterpret_cast<py::detail::instance*>(self);
  return static_cast<Loop*>(instance->simple_value_holder[0]);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  const Loop* const loop = loop_in(self);
  return loop == nullptr ? 0 : loop->traverse(visit, arg);
}

int clear(PyObject* self) {
  if (Loop* const loop = loop_in(self)) loop->clear();
  return 0;
}

// Notices when the program replaces the loop's clock.
int set_attribute(PyObject* self, PyObject* name, PyObject* value) {
  const int status = PyObject_GenericSetAttr(self, name, value);
  if (status == 0 && PyUnicode_Compare(name, names.time) == 0) {
    if (Loop* const loop = loop_in(self)) loop->clock().set_patched(value != nullptr);
  }
  return status;
}

// Makes the loop with its object. pybind11 would hand memory that was never initialised to
// methods that are called before __init__(), and doesn't look whether there was any.
PyObject* new_loop(PyTypeObject* type, PyObject* /*arguments*/, PyObject* /*keywords*/) {
  return guarded([=]() -> PyObject* {
    Ref object = steal(type->tp_alloc(type, 0));
    auto* const instance = reinterpret_cast<py::detail::instance*>(object.ptr());
    instance->allocate_layout();
    const py::detail::type_info* const kind = py::detail::get_type_info(typeid(Loop));
    py::detail::value_and_holder place = instance->get_value_and_holder(kind);
    place.value_ptr() = new Loop(object.ptr(), native_time_method());
    kind->init_instance(instance, nullptr);
    return object.release().ptr();
  });
}

void set_up_type(PyHeapTypeObject* heap_type) {
  PyTypeObject& type = heap_type->ht_type;
  type.tp_new = new_loop;
  type.tp_flags |= Py_TPFLAGS_HAVE_GC;
  type.tp_traverse = traverse;
  type.tp_clear = clear;
  type.tp_setattro = set_attribute;
}

// A false answer means that a Python exception is set.
void expect(bool succeeded) {
  if (!succeeded) throw py::error_already_set();
}

py::object thread_id(const Loop& loop) {
  if (!loop.is_running()) return py::none();
  return py::int_(loop.thread_id());
}

py::list ready_handles(const Loop& loop) {
  py::list handles;
  for (std::size_t i = 0; i < loop.ready().size(); ++i) {
    const Ready& ready = loop.ready()[i];
    if (ready.kind() == Ready::kHandle) {
      HandlePool::expose(ready.handle());
      handles.append(borrow(ready.handle()->object()));
    } else {
      handles.append(borrow(ready.target()->owner()));
    }
  }
  return handles;
}

py::object current_handle(const Loop& loop) {
  Handle* const handle = loop.current_handle();
  return handle == nullptr ? py::object(py::none()) : borrow(handle->object());
}

py::object mint_handle(Loop& loop, const py::object& callback, const py::tuple& arguments) {
  const Call call{callback.ptr(), &PyTuple_GET_ITEM(arguments.ptr(), 0),
                  static_cast<Py_ssize_t>(arguments.size()), nullptr};
  return steal(loop.mint_handle(call));
}

void add_callback(Loop& loop, const py::object& handle) {
  const bool ours = std::any_of(
      std::begin(handle_pool.types), std::end(handle_pool.types),
      [&](PyTypeObject* type) { return type != nullptr && Py_IS_TYPE(handle.ptr(), type); });
  if (!ours) throw py::type_error("a handle of this loop was expected");
  auto* const ready = reinterpret_cast<Handle*>(handle.ptr());
  if (!ready->cancelled()) loop.add_callback(ready);
}

void set_task_factory(Loop& loop, const py::object& factory) {
  if (!factory.is_none() && PyCallable_Check(factory.ptr()) == 0) {
    throw py::type_error("task factory must be a callable or None");
  }
  loop.task_factory = factory.is_none() ? Ref() : factory;
}

py::object get_task_factory(const Loop& loop) {
  return loop.task_factory ? loop.task_factory : Ref(py::none());
}

int wakeup_fd(const Loop& loop) {
  expect(loop.check_closed());
  return loop.wakeup()->write_fd();
}

// A pointer to a member would be called with None for a null object.
void bind_running(py::class_<Loop>& type) {
  type.def("_run", [](Loop& loop) { expect(loop.run()); })
      .def("_close", [](Loop& loop) { expect(loop.close()); })
      .def("_check_closed", [](const Loop& loop) { expect(loop.check_closed()); })
      .def("_set_debug", [](Loop& loop, bool debug) { loop.set_debug(debug); })
      .def_property_readonly("_thread_id", &thread_id)
      .def_property_readonly("_stopping", [](const Loop& loop) { return loop.stopping(); })
      .def_property_readonly("_ready", &ready_handles)
      .def_readwrite("slow_callback_duration", &Loop::slow_callback_duration)
      .def("_mint_handle", &mint_handle)
      .def("_add_callback", &add_callback)
      .def("_keep_signals", [](Loop& loop, bool keep) { loop.signals().keep(keep); })
      .def_property_readonly("_wakeup_fd", &wakeup_fd)
      .def_property_readonly("_debug", [](const Loop& loop) { return loop.debug(); })
      .def_property_readonly("_current_handle", &current_handle)
      .def("_send_held_back",
           [](Loop& loop) {
             if (!loop.send_held_back()) throw py::error_already_set();
           })
      .def("_set_task_factory", &set_task_factory)
      .def_property_readonly("_task_factory", &get_task_factory);
}

// object's own would call a base of pybind11's that ends the process.
void forbid_pickling(py::class_<Loop>& type) {
  const auto refuse = [](const py::object& loop, const py::args& /*protocol*/) {
    const Ref name = steal(PyType_GetName(Py_TYPE(loop.ptr())));
    PyErr_Format(PyExc_TypeError, "cannot pickle %R object", name.ptr());
    throw py::error_already_set();
  };
  type.def("__reduce__", refuse).def("__reduce_ex__", refuse);
}

void bind_transport_factories(py::class_<Loop>& type) {
  type.def("_make_socket_transport", &make_stream_transport, py::arg("sock"), py::arg("protocol"),
           py::arg("waiter") = py::none(), py::kw_only(), py::arg("extra") = py::none(),
           py::arg("server") = py::none(), py::arg("context") = py::none())
      .def("_make_native_read_pipe", &make_read_pipe_transport, py::arg("pipe"), py::arg("fd"),
           py::arg("protocol"), py::arg("waiter"))
      .def("_make_native_write_pipe", &make_write_pipe_transport, py::arg("pipe"), py::arg("fd"),
           py::arg("protocol"), py::arg("waiter"), py::arg("notices_close"))
      .def(
          "_listen",
          [](Loop& loop, py::object protocol_factory, py::object sock, py::object server,
             int backlog, py::object context, py::object tls) {
            start_listening(loop, {std::move(protocol_factory), std::move(sock), std::move(server),
                                   backlog, std::move(context), std::move(tls)});
          },
          py::arg("protocol_factory"), py::arg("sock"), py::arg("server"), py::arg("backlog"),
          py::arg("context") = py::none(), py::arg("tls") = py::none())
      .def("_unlisten", &stop_listening, py::arg("sock"))
      .def("_serve_datagrams", &make_datagram_transport, py::arg("sock"), py::arg("protocol"),
           py::arg("target"), py::arg("waiter"), py::arg("extra"), py::arg("shared"))
      .def(
          "_make_tls_protocol",
          [](Loop& loop, py::object protocol, py::object waiter, py::object context,
             py::object ssl_object, py::object incoming, py::object outgoing,
             py::object handshake_timeout, py::object shutdown_timeout, bool call_connection_made) {
            TlsParts parts{
                std::move(protocol),          std::move(waiter),           std::move(context),
                std::move(ssl_object),        std::move(incoming),         std::move(outgoing),
                std::move(handshake_timeout), std::move(shutdown_timeout), call_connection_made};
            return steal(TlsProtocol::make(&loop, std::move(parts)));
          },
          py::kw_only(), py::arg("protocol"), py::arg("waiter"), py::arg("context"),
          py::arg("ssl_object"), py::arg("incoming"), py::arg("outgoing"),
          py::arg("handshake_timeout"), py::arg("shutdown_timeout"),
          py::arg("call_connection_made"));
}

}  // namespace

void bind_loop(py::module_& module) {
  py::class_<Loop> type(module, "Loop", py::custom_type_setup(set_up_type),
                        "The native part of cxxloop.Loop.");
  // pybind11 wants one, and calls it only for what isn't made yet.
  type.def(
      "__init__", [](py::detail::value_and_holder& /*made*/) {},
      py::detail::is_new_style_constructor());
  add_fast_methods(reinterpret_cast<PyTypeObject*>(type.ptr()));
  bind_running(type);
  forbid_pickling(type);
  bind_transport_factories(type);
  type.def("_literal_address_info",
           [](const Loop& /*loop*/, const py::object& host, const py::object& port,
              const py::object& family, const py::object& kind, const py::object& proto,
              const py::object& flags) {
             return literal_address_info(host, port, family, kind, proto, flags);
           });
}

}  // namespace cxxloop
