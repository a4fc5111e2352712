# Provides the target cxxloop_libuv, from the first of these that is allowed and at hand:
#   - CXXLOOP_LIBUV_SOURCE, an archive or a directory: built here and linked statically
#   - the system's libuv, through pkg-config
#   - the pinned official release: downloaded, built here and linked statically
# CXXLOOP_LIBUV_BUNDLED tells whether it was built here.

set(CXXLOOP_LIBUV_MINIMUM 1.44)
# The official release, and the checksum of its archive.
set(CXXLOOP_LIBUV_VERSION 1.44.2)
set(CXXLOOP_LIBUV_URL
    "https://dist.libuv.org/dist/v${CXXLOOP_LIBUV_VERSION}/libuv-v${CXXLOOP_LIBUV_VERSION}.tar.gz")
set(CXXLOOP_LIBUV_SHA256 ccfcdc968c55673c6526d8270a9c8655a806ea92468afcbcabc2b16040f03cb4)

add_library(cxxloop_libuv INTERFACE)
set(CXXLOOP_LIBUV_BUNDLED FALSE)

# Unpacks `archive`, and sets `result` to the one directory that is in it.
function(cxxloop_unpack archive result)
  set(unpacked "${CMAKE_BINARY_DIR}/libuv-source")
  file(REMOVE_RECURSE "${unpacked}")
  file(ARCHIVE_EXTRACT INPUT "${archive}" DESTINATION "${unpacked}")
  file(GLOB directories LIST_DIRECTORIES true "${unpacked}/*")
  list(LENGTH directories count)
  if(NOT count EQUAL 1)
    message(FATAL_ERROR "${archive} is not a source archive of libuv")
  endif()
  set(${result} "${directories}" PARENT_SCOPE)
endfunction()

function(cxxloop_download result)
  set(archive "${CMAKE_BINARY_DIR}/libuv-v${CXXLOOP_LIBUV_VERSION}.tar.gz")
  if(NOT EXISTS "${archive}")
    message(STATUS "Downloading libuv ${CXXLOOP_LIBUV_VERSION}")
    file(DOWNLOAD "${CXXLOOP_LIBUV_URL}" "${archive}.part" STATUS status TIMEOUT 120)
    list(GET status 0 code)
    if(code EQUAL 0)
      file(SHA256 "${archive}.part" checksum)
    endif()
    if(NOT code EQUAL 0 OR NOT checksum STREQUAL CXXLOOP_LIBUV_SHA256)
      file(REMOVE "${archive}.part")
      message(FATAL_ERROR
        "libuv ${CXXLOOP_LIBUV_MINIMUM} or newer was not found: install it (Debian: apt-get install "
        "libuv1-dev pkg-config), or pass -DCXXLOOP_LIBUV_SOURCE=ARCHIVE_OR_DIR")
    endif()
    file(RENAME "${archive}.part" "${archive}")
  endif()
  cxxloop_unpack("${archive}" source)
  set(${result} "${source}" PARENT_SCOPE)
endfunction()

# Builds libuv's static library from a source directory.
macro(cxxloop_build_libuv source)
  set(LIBUV_BUILD_TESTS OFF)
  set(LIBUV_BUILD_BENCH OFF)
  set(LIBUV_BUILD_SHARED OFF)
  set(BUILD_TESTING OFF)
  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)  # option() keeps the variables above
  set(CMAKE_POLICY_VERSION_MINIMUM 3.5)
  add_subdirectory("${source}" "${CMAKE_BINARY_DIR}/libuv" EXCLUDE_FROM_ALL)
  set_target_properties(uv_a PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
  target_link_libraries(cxxloop_libuv INTERFACE uv_a)
  set(CXXLOOP_LIBUV_BUNDLED TRUE)
endmacro()

if(CXXLOOP_LIBUV_SOURCE)
  if(IS_DIRECTORY "${CXXLOOP_LIBUV_SOURCE}")
    set(libuv_source "${CXXLOOP_LIBUV_SOURCE}")
  elseif(EXISTS "${CXXLOOP_LIBUV_SOURCE}")
    cxxloop_unpack("${CXXLOOP_LIBUV_SOURCE}" libuv_source)
  else()
    message(FATAL_ERROR "CXXLOOP_LIBUV_SOURCE: there is no ${CXXLOOP_LIBUV_SOURCE}")
  endif()
  cxxloop_build_libuv("${libuv_source}")
else()
  set(libuv_found FALSE)
  if(CXXLOOP_SYSTEM_LIBUV STREQUAL "" OR CXXLOOP_SYSTEM_LIBUV)
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
      pkg_check_modules(LIBUV QUIET IMPORTED_TARGET libuv>=${CXXLOOP_LIBUV_MINIMUM})
      set(libuv_found ${LIBUV_FOUND})
    endif()
  endif()
  if(libuv_found)
    target_link_libraries(cxxloop_libuv INTERFACE PkgConfig::LIBUV)
  elseif(CXXLOOP_SYSTEM_LIBUV)
    message(FATAL_ERROR
      "libuv ${CXXLOOP_LIBUV_MINIMUM} or newer was not found: install it (Debian: apt-get install "
      "libuv1-dev pkg-config), or leave CXXLOOP_SYSTEM_LIBUV=ON out")
  else()
    cxxloop_download(libuv_source)
    cxxloop_build_libuv("${libuv_source}")
  endif()
endif()
