#include "dns/address_literal.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "cpython/ref.h"

namespace cxxloop {

namespace {

constexpr long kLargestPort = 65535;
constexpr long kHarmlessFlags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;

// The kinds of socket that the C library lists for a number, in its order.
struct Kind {
  int type;
  int protocol;
};
constexpr Kind kKinds[] = {{SOCK_STREAM, IPPROTO_TCP}, {SOCK_DGRAM, IPPROTO_UDP}, {SOCK_RAW, 0}};

struct Literal {
  int family = AF_UNSPEC;
  char text[INET6_ADDRSTRLEN] = {};
};

// False unless `object` is an int (or an IntEnum member) that fits.
bool to_long(const py::object& object, long* value) {
  if (!PyLong_Check(object.ptr()) || PyBool_Check(object.ptr())) return false;
  int overflow = 0;
  *value = PyLong_AsLongAndOverflow(object.ptr(), &overflow);
  return overflow == 0;
}

bool parse(const py::object& host, Literal* literal) {
  if (!PyUnicode_CheckExact(host.ptr()) || !PyUnicode_IS_ASCII(host.ptr())) return false;
  Py_ssize_t length = 0;
  const char* const text = PyUnicode_AsUTF8AndSize(host.ptr(), &length);
  if (text == nullptr) throw py::error_already_set();
  if (length == 0 || length >= INET6_ADDRSTRLEN ||
      static_cast<Py_ssize_t>(strlen(text)) != length) {
    return false;
  }
  unsigned char address[sizeof(in6_addr)];
  for (const int family : {AF_INET, AF_INET6}) {
    if (inet_pton(family, text, address) != 1) continue;
    literal->family = family;
    return inet_ntop(family, address, literal->text, sizeof literal->text) != nullptr;
  }
  return false;
}

PyObject* enum_member(PyObject* type, int value) { return PyObject_CallFunction(type, "i", value); }

// The members of socket.AddressFamily and socket.SocketKind that occur here, made once.
struct Members {
  PyObject* families[2];  // AF_INET, AF_INET6
  PyObject* kinds[3];     // as kKinds
  PyObject* empty;
};

const Members& members() {
  static const Members made = [] {
    const Ref socket = steal(PyImport_ImportModule("socket"));
    const Ref family = steal(PyObject_GetAttrString(socket.ptr(), "AddressFamily"));
    const Ref kind = steal(PyObject_GetAttrString(socket.ptr(), "SocketKind"));
    Members result{};
    result.families[0] = steal(enum_member(family.ptr(), AF_INET)).release().ptr();
    result.families[1] = steal(enum_member(family.ptr(), AF_INET6)).release().ptr();
    for (int i = 0; i < 3; ++i) {
      result.kinds[i] = steal(enum_member(kind.ptr(), kKinds[i].type)).release().ptr();
    }
    result.empty = steal(PyUnicode_FromString("")).release().ptr();
    return result;
  }();
  return made;
}

Ref make_entry(const Literal& literal, int kind, long port) {
  const bool is_v4 = literal.family == AF_INET;
  const Ref address = steal(is_v4 ? Py_BuildValue("sl", literal.text, port)
                                  : Py_BuildValue("slii", literal.text, port, 0, 0));
  const Members& known = members();
  return steal(Py_BuildValue("OOiOO", known.families[is_v4 ? 0 : 1], known.kinds[kind],
                             kKinds[kind].protocol, known.empty, address.ptr()));
}

}  // namespace

py::object literal_address_info(const py::object& host, const py::object& port,
                                const py::object& family, const py::object& type,
                                const py::object& proto, const py::object& flags) {
  long wanted_port = 0;
  long wanted_family = 0;
  long wanted_type = 0;
  long wanted_protocol = 0;
  long wanted_flags = 0;
  Literal literal;
  if (!to_long(port, &wanted_port) || !to_long(family, &wanted_family) ||
      !to_long(type, &wanted_type) || !to_long(proto, &wanted_protocol) ||
      !to_long(flags, &wanted_flags) || wanted_port < 0 || wanted_port > kLargestPort ||
      (wanted_flags & ~kHarmlessFlags) != 0 || !parse(host, &literal) ||
      (wanted_family != AF_UNSPEC && wanted_family != literal.family)) {
    return py::none();
  }
  py::list entries;
  for (int kind = 0; kind < 3; ++kind) {
    if (wanted_type != 0 && wanted_type != kKinds[kind].type) continue;
    if (wanted_protocol != 0 && wanted_protocol != kKinds[kind].protocol) continue;
    // A raw socket takes any protocol; the library's answer then says so.
    if (kKinds[kind].type == SOCK_RAW && (wanted_protocol != 0 || wanted_type != 0)) continue;
    entries.append(make_entry(literal, kind, wanted_port));
  }
  if (entries.empty()) return py::none();
  return entries;
}

}  // namespace cxxloop
