#include <pybind11/pybind11.h>
#include <uv.h>

#include <exception>
#include <system_error>
#include <utility>

#include "bindings/bindings.h"
#include "cpython/context.h"
#include "cpython/errors.h"
#include "cpython/finalization.h"
#include "cpython/names.h"
#include "cpython/stdlib.h"
#include "poll/poller.h"

namespace py = pybind11;

namespace {

// What the extension imports and interns once belongs to one interpreter.
bool is_main_interpreter() {
  if (PyInterpreterState_Get() == PyInterpreterState_Main()) return true;
  PyErr_SetString(PyExc_ImportError,
                  "module cxxloop._core does not support loading in subinterpreters");
  return false;
}

// pybind11 would make a RuntimeError of it.
void translate_system_error(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(std::move(thrown));
  } catch (const std::system_error& error) {
    cxxloop::raise_os_error(error.code().value());
  }
}

}  // namespace

PYBIND11_MODULE(_registrations, module) {
  if (!is_main_interpreter()) throw py::error_already_set();
  module.doc() = "The native part of cxxloop: the event loop, its handles and its transports.";
  py::register_local_exception_translator(&translate_system_error);
  cxxloop::intern_names();
  cxxloop::import_stdlib();
  cxxloop::probe_context_sharing();
  cxxloop::watch_for_finalization();
  cxxloop::bind_handles(module);
  cxxloop::bind_transports(module);
  cxxloop::bind_pipe_transports(module);
  cxxloop::bind_tls_protocol(module);
  cxxloop::bind_tls_transport(module);
  cxxloop::bind_datagram_transport(module);
  cxxloop::bind_socket_operations(module);
  cxxloop::bind_loop(module);
  cxxloop::bind_debug_counters(module);
  module.def(
      "libuv_version", [] { return std::string(uv_version_string()); },
      "The version of libuv that is in use, as '1.44.2'.");
  module.def(
      "poll_backend", [] { return std::string(cxxloop::default_poll_backend()); },
      "What new loops wait with: 'epoll' or 'libuv'.");
#ifdef CXXLOOP_LIBUV_BUNDLED
  module.attr("libuv_source") = "bundled";
#else
  module.attr("libuv_source") = "system";
#endif
}

// The import of cxxloop._core. Until Python 3.11 the first step that pybind11 would take here waits
// for ever in a subinterpreter; from 3.13 on this runs in the main one, and the rest does not.
// NOLINTNEXTLINE(readability-identifier-naming): CPython says what it is called.
extern "C" PYBIND11_EXPORT PyObject* PyInit__core() {
  return is_main_interpreter() ? PyInit__registrations() : nullptr;
}
