#pragma once

#include <pybind11/pybind11.h>

namespace cxxloop {

// Makes the futures and tasks of one loop: what asyncio.Future(loop=loop) and
// asyncio.Task(coro, loop=loop, **keywords) make, without a new dict of keywords each time.
// Null is a Python error.
class Futures {
 public:
  // `loop` is borrowed and outlives this.
  explicit Futures(PyObject* loop) : loop_(loop) {}
  ~Futures() { clear(); }
  Futures(const Futures&) = delete;
  Futures& operator=(const Futures&) = delete;

  PyObject* make_future();
  // `values` belong to the names in `keywords`, which may be null.
  PyObject* make_task(PyObject* coro, PyObject* const* values, PyObject* keywords);

  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  static PyObject* construct(PyObject* scope, PyObject* name, PyObject* arguments,
                             PyObject* options);
  // {"loop": loop}, borrowed.
  PyObject* options();
  // (coro,), a new reference.
  PyObject* arguments_of(PyObject* coro);
  void give_back(PyObject* arguments);

  PyObject* loop_;
  PyObject* options_ = nullptr;
  PyObject* arguments_ = nullptr;  // a tuple with an empty place, for the next task
};

// Sets the result unless the future is done; false with a Python error set.
bool set_result_unless_done(PyObject* future, PyObject* result);

// Sets the exception unless the future is done; false with a Python error set.
bool set_exception_unless_done(PyObject* future, PyObject* exception);

}  // namespace cxxloop
