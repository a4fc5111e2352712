# Finds pybind11 where the chosen Python has it, or else where CMake looks.
set(PYBIND11_FINDPYTHON ON)
if(NOT pybind11_DIR)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -m pybind11 --cmakedir
    OUTPUT_VARIABLE pybind11_DIR OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
find_package(pybind11 3.0 CONFIG QUIET)
if(NOT pybind11_FOUND)
  message(FATAL_ERROR
    "pybind11 3.0 or newer was not found: ${Python_EXECUTABLE} -m pip install 'pybind11>=3.0', "
    "or pass -Dpybind11_DIR=DIR")
endif()
message(STATUS "pybind11 ${pybind11_VERSION} for Python ${Python_VERSION}")
