#pragma once

#include <pybind11/pybind11.h>
#include <structmember.h>

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "cpython/ref.h"
#include "transports/transport_object.h"

namespace cxxloop {

// What the types of all transports have in common: life and death of TransportObject<Transport>.
template <class Transport>
struct TransportSlots {
  using Object = TransportObject<Transport>;

  static Object* as_object(PyObject* self) { return reinterpret_cast<Object*>(self); }

  static void finalize(PyObject* self) {
    if (as_object(self)->constructed) as_object(self)->transport()->finalize();
  }

  static void dealloc(PyObject* self) {
    if (PyObject_CallFinalizerFromDealloc(self) < 0) return;  // Somebody kept it after all.
    PyObject_GC_UnTrack(self);
    PyObject_ClearWeakRefs(self);
    Object* const object = as_object(self);
    if (object->constructed) object->transport()->~Transport();
    Py_CLEAR(object->extra);
    Py_CLEAR(object->dictionary);
    PyTypeObject* const type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
  }

  static int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Object* const object = as_object(self);
    Py_VISIT(object->extra);
    Py_VISIT(object->dictionary);
    return object->constructed ? object->transport()->traverse(visit, arg) : 0;
  }

  static int clear(PyObject* self) {
    Object* const object = as_object(self);
    Py_CLEAR(object->extra);
    Py_CLEAR(object->dictionary);
    if (object->constructed) object->transport()->clear();
    return 0;
  }

  static inline PyMemberDef members[] = {
      {"__dictoffset__", T_PYSSIZET, offsetof(Object, dictionary), READONLY, nullptr},
      {"__weaklistoffset__", T_PYSSIZET, offsetof(Object, weak_references), READONLY, nullptr},
      {nullptr, 0, 0, 0, nullptr},
  };
};

// Makes the heap type of a transport, adds it to the module and keeps it for ever. `bases` are
// asyncio's transport classes, `own` is what only this type has.
template <class Transport>
PyTypeObject* make_transport_type(py::module_& module, const char* name,
                                  std::initializer_list<PyObject*> bases,
                                  std::initializer_list<PyType_Slot> own) {
  using Slots = TransportSlots<Transport>;
  using Object = TransportObject<Transport>;
  py::tuple base_types(bases.size());
  for (size_t i = 0; i < bases.size(); ++i) {
    PyObject* const base = bases.begin()[i];
    base_types[i] = py::handle(base);
    const auto* const base_type = reinterpret_cast<PyTypeObject*>(base);
    if (base_type->tp_basicsize == static_cast<Py_ssize_t>(offsetof(Object, dictionary))) continue;
    PyErr_Format(PyExc_ImportError, "cxxloop doesn't know the size of asyncio.%s in this Python",
                 base_type->tp_name);
    throw py::error_already_set();
  }
  std::vector<PyType_Slot> slots(own);
  slots.push_back({Py_tp_members, Slots::members});
  slots.push_back({Py_tp_finalize, reinterpret_cast<void*>(Slots::finalize)});
  slots.push_back({Py_tp_dealloc, reinterpret_cast<void*>(Slots::dealloc)});
  slots.push_back({Py_tp_traverse, reinterpret_cast<void*>(Slots::traverse)});
  slots.push_back({Py_tp_clear, reinterpret_cast<void*>(Slots::clear)});
  slots.push_back({0, nullptr});
  PyType_Spec spec{name, sizeof(Object), 0,
                   Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                   slots.data()};
  Ref type = steal(PyType_FromModuleAndSpec(module.ptr(), &spec, base_types.ptr()));
  module.add_object(std::strrchr(name, '.') + 1, type);
  return reinterpret_cast<PyTypeObject*>(type.release().ptr());
}

}  // namespace cxxloop
