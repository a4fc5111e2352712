// Runs a fuzz target that is written in Python: CXXLOOP_FUZZ_TARGET names a module with a function
// one_input(data). What it reaches in the extension, which is compiled for that, guides libFuzzer;
// an exception is a finding.

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstdint>
#include <cstdlib>

namespace {

PyObject* one_input = nullptr;

[[noreturn]] void fail() {
  PyErr_Print();
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* /*argc*/, char*** /*argv*/) {
  Py_Initialize();
  const char* const name = std::getenv("CXXLOOP_FUZZ_TARGET");
  PyObject* const module = PyImport_ImportModule(name == nullptr ? "" : name);
  if (module == nullptr) fail();
  one_input = PyObject_GetAttrString(module, "one_input");
  Py_DECREF(module);
  if (one_input == nullptr) fail();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  PyObject* const result = PyObject_CallFunction(
      one_input, "y#", reinterpret_cast<const char*>(data), static_cast<Py_ssize_t>(size));
  if (result == nullptr) fail();
  Py_DECREF(result);
  return 0;
}
