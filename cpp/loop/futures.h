#pragma once

#include <pybind11/pybind11.h>

namespace cxxloop {

// asyncio.Future(loop=loop); null is a Python error.
PyObject* make_future(PyObject* loop);

// asyncio.Task(coro, loop=loop, **keywords); `keywords` may be null.
PyObject* make_task(PyObject* loop, PyObject* coro, PyObject* const* values, PyObject* keywords);

// Sets the result unless the future is done; false with a Python error set.
bool set_result_unless_done(PyObject* future, PyObject* result);

// Sets the exception unless the future is done; false with a Python error set.
bool set_exception_unless_done(PyObject* future, PyObject* exception);

}  // namespace cxxloop
