#include "tls/ssl_module.h"

#include "cpython/ref.h"

namespace cxxloop {

namespace {

PyObject* name_in(const Ref& module, const char* name) {
  return steal(PyObject_GetAttrString(module.ptr(), name)).release().ptr();
}

SslModule import_all() {
  const Ref ssl = steal(PyImport_ImportModule("ssl"));
  const Ref asyncio = steal(PyImport_ImportModule("asyncio"));
  return {name_in(ssl, "SSLObject"),        name_in(ssl, "SSLError"),
          name_in(ssl, "SSLWantReadError"), name_in(ssl, "SSLSyscallError"),
          name_in(ssl, "CertificateError"), name_in(asyncio, "CancelledError")};
}

}  // namespace

const SslModule& ssl_module() {
  // No C++ initialisation of a static: its lock and the GIL could wait for each other.
  static SslModule module{};
  if (module.object_type == nullptr) module = import_all();
  return module;
}

}  // namespace cxxloop
