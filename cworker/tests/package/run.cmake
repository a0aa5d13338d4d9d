# SPDX-License-Identifier: Apache-2.0

# One outside consumer, from nothing to a program that runs:
#
#     cmake -DHOW=... -DSOURCE=... -DBUILD=... -DPREFIX=... -DCOMPILER=... -P run.cmake
#
# HOW is add-subdirectory, find-package or pkg-config; SOURCE is cworker/, BUILD
# the build that is installed into PREFIX for the latter two.

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT status EQUAL 0)
    string(REPLACE ";" " " line "${ARGN}")
    message(FATAL_ERROR "${line}\n${out}")
  endif()
  set(out "${out}" PARENT_SCOPE)
endfunction()

set(work "${BUILD}/package-${HOW}")
file(REMOVE_RECURSE "${work}")
file(MAKE_DIRECTORY "${work}")

if(NOT HOW STREQUAL "add-subdirectory")
  set(PREFIX "${work}/prefix")
  run("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${PREFIX}" --component library)
  # Where it lies must not matter.
  file(RENAME "${PREFIX}" "${work}/moved")
  set(PREFIX "${work}/moved")
  file(GLOB_RECURSE libraries "${PREFIX}/libpowerhose-worker.*")
  list(GET libraries 0 library)
  get_filename_component(libdir "${library}" DIRECTORY)
  set(ENV{LD_LIBRARY_PATH} "${libdir}")
endif()

if(HOW STREQUAL "pkg-config")
  set(ENV{PKG_CONFIG_PATH} "${libdir}/pkgconfig")
  run(pkg-config --cflags --libs powerhose-worker)
  separate_arguments(flags UNIX_COMMAND "${out}")
  run("${COMPILER}" -std=c++17 "${SOURCE}/tests/package/consumer.cpp" -o "${work}/consumer" ${flags})
  run(pkg-config --modversion powerhose-worker)
else()
  run("${CMAKE_COMMAND}" -S "${SOURCE}/tests/package/${HOW}" -B "${work}"
    "-DCMAKE_PREFIX_PATH=${PREFIX}" "-DPOWERHOSE_SOURCE_DIR=${SOURCE}" "-DCMAKE_CXX_COMPILER=${COMPILER}")
  run("${CMAKE_COMMAND}" --build "${work}" -j2)
endif()

run("${work}/consumer")
message(STATUS "${HOW}: ${out}")
