#include "cpython/context.h"

#include "cpython/errors.h"
#include "cpython/ref.h"

namespace cxxloop {

namespace {

// The fields of CPython's Context object; unchanged from 3.7 to 3.15.
struct ContextFields {
  PyObject_HEAD
  PyObject* previous;
  PyObject* variables;
  PyObject* weak_references;
  int entered;
};

PyObject* variables_of(PyObject* context) {
  return reinterpret_cast<ContextFields*>(context)->variables;
}

// A value that tells threads apart in one instruction; null where the compiler has none.
void* thread_identity() {
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__aarch64__))
  return __builtin_thread_pointer();
#else
  return nullptr;
#endif
}

PyThreadState* this_thread() {
#if PY_VERSION_HEX >= 0x030D0000
  return PyThreadState_GetUnchecked();
#else
  return _PyThreadState_UncheckedGet();
#endif
}

bool sharing = false;

// References to an entered scratch context: ours, and the thread state's.
constexpr Py_ssize_t kReferencesWhileEntered = 2;

}  // namespace

bool probe_context_sharing() {
#ifdef Py_GIL_DISABLED
  return sharing = false;
#else
  sharing = false;
  if (reinterpret_cast<PyTypeObject*>(&PyContext_Type)->tp_basicsize <
      static_cast<Py_ssize_t>(sizeof(ContextFields))) {
    return false;
  }
  const Ref pristine = steal(PyContext_CopyCurrent());
  const Ref scratch = steal(PyContext_Copy(pristine.ptr()));
  const Ref variable = steal(PyContextVar_New("cxxloop probe", nullptr));
  if (variables_of(scratch.ptr()) != variables_of(pristine.ptr())) return false;
  PyObject* const before = variables_of(pristine.ptr());
  check(PyContext_Enter(scratch.ptr()));
  const bool current = this_thread()->context == scratch.ptr();
  PyObject* const token = PyContextVar_Set(variable.ptr(), Py_None);
  check(PyContext_Exit(scratch.ptr()));
  const Ref kept = steal(token);
  sharing = current && variables_of(scratch.ptr()) != before &&
            variables_of(pristine.ptr()) == before && Py_REFCNT(scratch.ptr()) == 2;
  return sharing;
#endif
}

void Contexts::enter_thread() {
  running_thread_ = thread_identity();
  running_state_ = this_thread();
}

void Contexts::leave_thread() { running_thread_ = nullptr; }

CapturedContext Contexts::capture() {
  if (!sharing) return {PyContext_CopyCurrent(), false};
  // To ask Python for the thread state costs a call into its thread-local storage.
  const bool running = running_thread_ != nullptr && running_thread_ == thread_identity();
  PyObject* const current = (running ? running_state_ : this_thread())->context;
  if (current != nullptr && snapshot_ != nullptr &&
      variables_of(current) == variables_of(snapshot_)) {
    Py_INCREF(snapshot_);
    return {snapshot_, true};
  }
  PyObject* const copy = PyContext_CopyCurrent();
  if (copy == nullptr) return {};
  Py_INCREF(copy);
  Py_XSETREF(snapshot_, copy);
  return {copy, true};
}

bool Contexts::scratch_is_clean(Py_ssize_t references) const {
  return variables_of(scratch_) == variables_of(scratch_source_) &&
         Py_REFCNT(scratch_) == references;
}

namespace {

// asyncio calls context.run(): for what is no context at all its AttributeError is the one that
// callers know. Returns false.
bool lacks_run(PyObject* context) {
  if (PyContext_CheckExact(context)) return false;
  PyObject* const exception = take_exception();
  PyObject* const run = PyObject_GetAttrString(context, "run");
  if (run == nullptr) {
    Py_DECREF(exception);
  } else {
    Py_DECREF(run);
    raise_exception(exception);
  }
  return false;
}

}  // namespace

bool Contexts::enter(const CapturedContext& captured) {
  if (!captured.shared) {
    if (entered_ == captured.context) return true;
    leave();
    if (PyContext_Enter(captured.context) < 0) return lacks_run(captured.context);
    Py_INCREF(captured.context);
    entered_ = captured.context;
    return true;
  }
  if (scratch_source_ == captured.context && entered_ != nullptr && entered_ == scratch_ &&
      scratch_is_clean(kReferencesWhileEntered)) {
    return true;
  }
  leave();
  if (scratch_source_ != captured.context || scratch_ == nullptr || !scratch_is_clean(1)) {
    PyObject* const copy = PyContext_Copy(captured.context);
    if (copy == nullptr) return false;
    Py_XSETREF(scratch_, copy);
    Py_INCREF(captured.context);
    Py_XSETREF(scratch_source_, captured.context);
  }
  if (PyContext_Enter(scratch_) < 0) return false;
  entered_ = scratch_;  // scratch_ owns it for as long as it is entered.
  return true;
}

void Contexts::keep(CapturedContext& captured) {
  if (!captured.shared || entered_ != scratch_ || scratch_source_ != captured.context) return;
  if (variables_of(scratch_) == variables_of(scratch_source_)) return;
  Py_INCREF(scratch_);
  Py_SETREF(captured.context, scratch_);
  captured.shared = false;
  scratch_ = nullptr;  // entered_ owns it now.
  Py_CLEAR(scratch_source_);
}

void Contexts::leave() {
  if (entered_ == nullptr) return;
  const SavedError saved;
  PyObject* const context = entered_;
  entered_ = nullptr;
  if (PyContext_Exit(context) < 0) PyErr_WriteUnraisable(context);
  if (context != scratch_) Py_DECREF(context);
}

void Contexts::release_unused() {
  if (snapshot_ != nullptr) {
    const Py_ssize_t ours = snapshot_ == scratch_source_ ? 2 : 1;
    if (Py_REFCNT(snapshot_) == ours) Py_CLEAR(snapshot_);
  }
  if (scratch_source_ != nullptr && Py_REFCNT(scratch_source_) == 1 && entered_ != scratch_) {
    Py_CLEAR(scratch_);
    Py_CLEAR(scratch_source_);
  }
}

bool Contexts::make_private(CapturedContext& captured) {
  if (!captured.shared) return true;
  PyObject* const copy = PyContext_Copy(captured.context);
  if (copy == nullptr) return false;
  Py_SETREF(captured.context, copy);
  captured.shared = false;
  return true;
}

int Contexts::traverse(visitproc visit, void* arg) const {
  Py_VISIT(snapshot_);
  Py_VISIT(scratch_);
  Py_VISIT(scratch_source_);
  if (entered_ != scratch_) Py_VISIT(entered_);
  return 0;
}

void Contexts::clear() {
  leave();
  Py_CLEAR(snapshot_);
  Py_CLEAR(scratch_);
  Py_CLEAR(scratch_source_);
}

}  // namespace cxxloop
