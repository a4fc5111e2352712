#pragma once

#include <pybind11/pybind11.h>

namespace cxxloop {

// What the engine uses of Python's ssl module and of asyncio, imported with the first
// connection and never freed.
struct SslModule {
  PyObject* object_type;        // ssl.SSLObject
  PyObject* error;              // ssl.SSLError
  PyObject* want_read_error;    // ssl.SSLWantReadError
  PyObject* syscall_error;      // ssl.SSLSyscallError
  PyObject* certificate_error;  // ssl.CertificateError
  PyObject* cancelled_error;    // asyncio.CancelledError
};

// Throws what the import throws.
const SslModule& ssl_module();

}  // namespace cxxloop
