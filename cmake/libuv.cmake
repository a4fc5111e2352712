# Provides the target cxxloop_libuv, from the first of these that is allowed and at hand:
#   - CXXLOOP_LIBUV_SOURCE, an archive or a directory: built here and linked statically
#   - the system's libuv, through pkg-config
#   - the pinned official release: downloaded, built here and linked statically
# CXXLOOP_LIBUV_BUNDLED tells whether it was built here.

set(CXXLOOP_LIBUV_MINIMUM 1.44)
# The pinned release, the checksum of its official archive, and that of the archive of the same
# release in Debian's source package (without the files that Debian leaves out).
set(CXXLOOP_LIBUV_VERSION 1.44.2)
set(CXXLOOP_LIBUV_SHA256 ccfcdc968c55673c6526d8270a9c8655a806ea92468afcbcabc2b16040f03cb4)
set(CXXLOOP_LIBUV_DEBIAN_SHA256 d79b4b06ef04be85fb890bf39d55942cc64c2e15fd14eaa32dae5dce94485484)
set(CXXLOOP_LIBUV_URL
    "https://dist.libuv.org/dist/v${CXXLOOP_LIBUV_VERSION}/libuv-v${CXXLOOP_LIBUV_VERSION}.tar.gz"
    CACHE STRING "Where the pinned release of libuv is downloaded from")
mark_as_advanced(CXXLOOP_LIBUV_URL)

add_library(cxxloop_libuv INTERFACE)
set(CXXLOOP_LIBUV_BUNDLED FALSE)

# One line on what to do, and the end.
function(cxxloop_no_libuv reason)
  # The space at the beginning keeps CMake from breaking the line.
  message(FATAL_ERROR
    " libuv: ${reason}; install libuv ${CXXLOOP_LIBUV_MINIMUM} or newer and pkg-config "
    "(apt-get install libuv1-dev pkg-config), or give its source with "
    "-DCXXLOOP_LIBUV_SOURCE=ARCHIVE_OR_DIR")
endfunction()

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

# Sets `result` to the source directory of the copy that CXXLOOP_LIBUV_SOURCE names.
function(cxxloop_libuv_at_hand result)
  if(NOT EXISTS "${CXXLOOP_LIBUV_SOURCE}")
    message(FATAL_ERROR "CXXLOOP_LIBUV_SOURCE: there is no ${CXXLOOP_LIBUV_SOURCE}")
  endif()
  if(IS_DIRECTORY "${CXXLOOP_LIBUV_SOURCE}")
    set(source "${CXXLOOP_LIBUV_SOURCE}")
  else()
    file(SHA256 "${CXXLOOP_LIBUV_SOURCE}" checksum)
    if(checksum STREQUAL CXXLOOP_LIBUV_SHA256)
      message(STATUS "libuv: the archive is the pinned release ${CXXLOOP_LIBUV_VERSION}")
    elseif(checksum STREQUAL CXXLOOP_LIBUV_DEBIAN_SHA256)
      message(STATUS "libuv: the archive is Debian's of the pinned release ${CXXLOOP_LIBUV_VERSION}")
    else()
      message(STATUS "libuv: the archive is not the pinned release (SHA-256 ${checksum})")
    endif()
    cxxloop_unpack("${CXXLOOP_LIBUV_SOURCE}" source)
  endif()
  if(NOT EXISTS "${source}/include/uv.h" OR NOT EXISTS "${source}/CMakeLists.txt")
    message(FATAL_ERROR "CXXLOOP_LIBUV_SOURCE: ${CXXLOOP_LIBUV_SOURCE} does not hold libuv's source")
  endif()
  set(${result} "${source}" PARENT_SCOPE)
endfunction()

# Sets `result` to the source directory of the pinned release, downloaded once for a build tree.
function(cxxloop_download_libuv result)
  set(archive "${CMAKE_BINARY_DIR}/libuv-v${CXXLOOP_LIBUV_VERSION}.tar.gz")
  if(NOT EXISTS "${archive}")
    message(STATUS "libuv: downloading ${CXXLOOP_LIBUV_URL}")
    file(DOWNLOAD "${CXXLOOP_LIBUV_URL}" "${archive}.part" STATUS status TIMEOUT 120)
    list(GET status 0 code)
    list(GET status 1 reason)
    if(NOT code EQUAL 0)
      file(REMOVE "${archive}.part")
      cxxloop_no_libuv("the system has none that may be used, and the download failed (${reason})")
    endif()
    file(SHA256 "${archive}.part" checksum)
    if(NOT checksum STREQUAL CXXLOOP_LIBUV_SHA256)
      file(REMOVE "${archive}.part")
      cxxloop_no_libuv("the system has none that may be used, and what was downloaded is not \
release ${CXXLOOP_LIBUV_VERSION} (its SHA-256 is ${checksum})")
    endif()
    file(RENAME "${archive}.part" "${archive}")
  endif()
  cxxloop_unpack("${archive}" source)
  set(${result} "${source}" PARENT_SCOPE)
endfunction()

# Builds libuv's static library from a source directory.
function(cxxloop_build_libuv source)
  set(LIBUV_BUILD_TESTS OFF)
  set(LIBUV_BUILD_BENCH OFF)
  set(LIBUV_BUILD_SHARED OFF)
  set(BUILD_TESTING OFF)
  set(CMAKE_POLICY_DEFAULT_CMP0077 NEW)  # option() keeps the variables above
  set(CMAKE_POLICY_VERSION_MINIMUM 3.5)
  add_subdirectory("${source}" "${CMAKE_BINARY_DIR}/libuv" EXCLUDE_FROM_ALL)
  set_target_properties(uv_a PROPERTIES POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
  target_compile_options(uv_a PRIVATE $<$<NOT:$<C_COMPILER_ID:MSVC>>:-w>)
  target_link_libraries(cxxloop_libuv INTERFACE uv_a)
  file(STRINGS "${source}/include/uv/version.h" numbers REGEX "define UV_VERSION_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE "[^0-9;]" "" numbers "${numbers}")
  string(REPLACE ";" "." numbers "${numbers}")
  if(numbers VERSION_LESS CXXLOOP_LIBUV_MINIMUM)
    message(FATAL_ERROR "libuv ${numbers} is too old: ${CXXLOOP_LIBUV_MINIMUM} or newer is needed")
  endif()
  message(STATUS "libuv ${numbers}, built here")
  if(DEFINED SKBUILD_METADATA_DIR)
    # Who passes the wheel on passes libuv on, and its licence with it.
    install(FILES "${source}/LICENSE" DESTINATION "${SKBUILD_METADATA_DIR}/licenses/libuv"
      COMPONENT cxxloop)
  endif()
  set(CXXLOOP_LIBUV_BUNDLED TRUE PARENT_SCOPE)
endfunction()

if(CXXLOOP_LIBUV_SOURCE AND CXXLOOP_SYSTEM_LIBUV)
  message(FATAL_ERROR "CXXLOOP_SYSTEM_LIBUV=ON and CXXLOOP_LIBUV_SOURCE exclude one another")
endif()

set(libuv_found FALSE)
if(NOT CXXLOOP_LIBUV_SOURCE AND (CXXLOOP_SYSTEM_LIBUV STREQUAL "" OR CXXLOOP_SYSTEM_LIBUV))
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(LIBUV QUIET IMPORTED_TARGET libuv>=${CXXLOOP_LIBUV_MINIMUM})
    set(libuv_found ${LIBUV_FOUND})
  endif()
endif()

if(CXXLOOP_LIBUV_SOURCE)
  cxxloop_libuv_at_hand(libuv_source)
  cxxloop_build_libuv("${libuv_source}")
elseif(libuv_found)
  message(STATUS "libuv ${LIBUV_VERSION}, the system's")
  target_link_libraries(cxxloop_libuv INTERFACE PkgConfig::LIBUV)
elseif(CXXLOOP_SYSTEM_LIBUV)
  cxxloop_no_libuv("not found on this system, and CXXLOOP_SYSTEM_LIBUV=ON allows no other")
else()
  cxxloop_download_libuv(libuv_source)
  cxxloop_build_libuv("${libuv_source}")
endif()
