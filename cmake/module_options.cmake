# How the extension module is compiled: warnings, optimisation, sanitizers, what it is told
# about the build, and where it goes in the build tree and in a wheel.

if(CXXLOOP_LTO AND CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT CXXLOOP_SANITIZE)
  include(CheckIPOSupported)
  check_ipo_supported(RESULT ipo_supported LANGUAGES CXX)
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ${ipo_supported})
else()
  set(CMAKE_INTERPROCEDURAL_OPTIMIZATION OFF)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_INTERPROCEDURAL_OPTIMIZATION)
  # As many link jobs as there are processors; CMake's own -flto runs them one by one.
  set(CMAKE_CXX_COMPILE_OPTIONS_IPO -flto=auto -fno-fat-lto-objects)
  set(CMAKE_CXX_LINK_OPTIONS_IPO -flto=auto)
endif()

function(cxxloop_module_options target)
  target_link_libraries(${target} PRIVATE cxxloop_libuv)
  target_compile_definitions(${target} PRIVATE CXXLOOP_VERSION="${CXXLOOP_VERSION}")
  if(CXXLOOP_LIBUV_BUNDLED)
    target_compile_definitions(${target} PRIVATE CXXLOOP_LIBUV_BUNDLED)
  endif()

  if(CXXLOOP_PCH)
    target_precompile_headers(${target} PRIVATE <pybind11/pybind11.h>)
  endif()

  # pybind11_add_module() hides symbols in C++; this also covers what else is compiled in.
  set_target_properties(${target} PROPERTIES C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden)
  if(NOT MSVC)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow)
    if(CXXLOOP_WERROR)
      target_compile_options(${target} PRIVATE -Werror)
    endif()
    if(CMAKE_BUILD_TYPE STREQUAL "Release")
      target_compile_options(${target} PRIVATE -O3)
    endif()
  endif()
  if(CXXLOOP_SANITIZE)
    set(sanitize -fsanitize=${CXXLOOP_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
    target_compile_options(${target} PRIVATE ${sanitize})
    target_link_options(${target} PRIVATE ${sanitize})
  endif()
  if(CXXLOOP_FUZZ)
    # Counts what is reached; the driver in tests/fuzz provides the functions that it calls.
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link,address,undefined -fno-omit-frame-pointer
      -fno-sanitize=vptr,function -fno-sanitize-recover=undefined)
    target_link_options(${target} PRIVATE -Wl,--unresolved-symbols=ignore-all)
  endif()
  if(UNIX AND NOT APPLE AND CXXLOOP_LIBUV_BUNDLED)
    # libuv's own symbols stay inside, so that another libuv in the process is not disturbed.
    target_link_options(${target} PRIVATE -Wl,--exclude-libs,ALL)
  endif()

  install(TARGETS ${target} LIBRARY DESTINATION cxxloop COMPONENT cxxloop)

  # The build tree can be imported: the Python files are linked beside the extension.
  set(package "${CMAKE_BINARY_DIR}/cxxloop")
  set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY "${package}")
  add_custom_target(package_links ALL
    COMMAND "${CMAKE_COMMAND}"
      "-DFROM=${PROJECT_SOURCE_DIR}/python/cxxloop" "-DTO=${package}"
      -P "${PROJECT_SOURCE_DIR}/cmake/link_package.cmake"
    VERBATIM)
endfunction()
