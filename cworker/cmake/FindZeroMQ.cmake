# SPDX-License-Identifier: Apache-2.0

# Finds libzmq as the target ZeroMQ::ZeroMQ: by the package that libzmq's own
# CMake build installs, else by pkg-config, which is what Debian has, else by its
# header and library. It is installed beside powerhose-worker-config.cmake.

include(FindPackageHandleStandardArgs)

find_package(ZeroMQ CONFIG QUIET)
if(TARGET libzmq)
  set(zeromq_target libzmq)
elseif(TARGET libzmq-static)
  set(zeromq_target libzmq-static)
else()
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(PC_ZEROMQ QUIET IMPORTED_TARGET libzmq)
  endif()
  if(TARGET PkgConfig::PC_ZEROMQ)
    set(zeromq_target PkgConfig::PC_ZEROMQ)
    set(ZeroMQ_VERSION "${PC_ZEROMQ_VERSION}")
  endif()
endif()

if(zeromq_target)
  find_package_handle_standard_args(ZeroMQ REQUIRED_VARS zeromq_target VERSION_VAR ZeroMQ_VERSION)
  if(NOT TARGET ZeroMQ::ZeroMQ)
    add_library(ZeroMQ::ZeroMQ INTERFACE IMPORTED)
    set_target_properties(ZeroMQ::ZeroMQ PROPERTIES INTERFACE_LINK_LIBRARIES ${zeromq_target})
  endif()
else()
  find_path(ZeroMQ_INCLUDE_DIR zmq.h)
  find_library(ZeroMQ_LIBRARY NAMES zmq)
  mark_as_advanced(ZeroMQ_INCLUDE_DIR ZeroMQ_LIBRARY)
  if(ZeroMQ_INCLUDE_DIR)
    file(STRINGS "${ZeroMQ_INCLUDE_DIR}/zmq.h" zeromq_numbers REGEX "#define ZMQ_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
    string(REGEX REPLACE "[^0-9;]+" "" zeromq_numbers "${zeromq_numbers}")
    string(REPLACE ";" "." ZeroMQ_VERSION "${zeromq_numbers}")
  endif()
  find_package_handle_standard_args(ZeroMQ REQUIRED_VARS ZeroMQ_LIBRARY ZeroMQ_INCLUDE_DIR VERSION_VAR ZeroMQ_VERSION)
  if(ZeroMQ_FOUND AND NOT TARGET ZeroMQ::ZeroMQ)
    add_library(ZeroMQ::ZeroMQ UNKNOWN IMPORTED)
    set_target_properties(ZeroMQ::ZeroMQ PROPERTIES
      IMPORTED_LOCATION "${ZeroMQ_LIBRARY}" INTERFACE_INCLUDE_DIRECTORIES "${ZeroMQ_INCLUDE_DIR}")
  endif()
endif()
