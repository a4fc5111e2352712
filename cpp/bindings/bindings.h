#pragma once

#include <pybind11/pybind11.h>

namespace cxxloop {

// Each adds its types and functions to the module; called once, in this order.
void bind_handles(pybind11::module_& module);
void bind_transports(pybind11::module_& module);
void bind_pipe_transports(pybind11::module_& module);
void bind_tls_protocol(pybind11::module_& module);
void bind_tls_transport(pybind11::module_& module);
void bind_datagram_transport(pybind11::module_& module);
void bind_socket_operations(pybind11::module_& module);
void bind_loop(pybind11::module_& module);
void bind_debug_counters(pybind11::module_& module);

// Hangs the methods that run per callback or per packet on the loop's type.
void add_fast_methods(PyTypeObject* loop_type);

// The native time() of the loop's type; borrowed.
PyObject* native_time_method();

}  // namespace cxxloop
