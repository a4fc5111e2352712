#include "cpython/names.h"

#include "cpython/ref.h"

namespace cxxloop {

Names names{};

void intern_names() {
#define CXXLOOP_NAME(text)                                                 \
  if (names.text == nullptr) {                                             \
    names.text = steal(PyUnicode_InternFromString(#text)).release().ptr(); \
  }
  CXXLOOP_NAMES(CXXLOOP_NAME)
#undef CXXLOOP_NAME
}

}  // namespace cxxloop
