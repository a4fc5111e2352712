#pragma once

#include <pybind11/pybind11.h>

namespace py = pybind11;

namespace cxxloop {

// What socket.getaddrinfo() answers for an address literal and a port number, or None where
// the answer isn't certain and the resolver has to be asked: names, zones, services,
// flags that change the result, and everything that is an error.
py::object literal_address_info(const py::object& host, const py::object& port,
                                const py::object& family, const py::object& type,
                                const py::object& proto, const py::object& flags);

}  // namespace cxxloop
