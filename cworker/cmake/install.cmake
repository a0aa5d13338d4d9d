# SPDX-License-Identifier: Apache-2.0

# cmake --install BUILD --prefix PREFIX: the library with all that others need to
# build with it. The program is a component of its own, "program".

include(CMakePackageConfigHelpers)

set(cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/powerhose-worker")

install(TARGETS powerhose-worker EXPORT powerhose-worker-targets
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT library NAMELINK_COMPONENT library
  ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT library)
install(DIRECTORY include/ DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT library FILES_MATCHING PATTERN "*.hpp")
install(EXPORT powerhose-worker-targets NAMESPACE powerhose:: DESTINATION "${cmake_dir}" COMPONENT library)

configure_package_config_file(cmake/powerhose-worker-config.cmake.in
  "${CMAKE_CURRENT_BINARY_DIR}/powerhose-worker-config.cmake" INSTALL_DESTINATION "${cmake_dir}")
# SameMinorVersion until 1.0, then SameMajorVersion.
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/powerhose-worker-config-version.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/powerhose-worker-config.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/powerhose-worker-config-version.cmake"
  cmake/FindZeroMQ.cmake
  DESTINATION "${cmake_dir}" COMPONENT library)

# The .pc finds its prefix from where it lies, as the one given now need not be
# the one of cmake --install.
set(pc_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(pc_prefix "${CMAKE_INSTALL_PREFIX}")
  set(pc_libdir "${CMAKE_INSTALL_FULL_LIBDIR}")
  set(pc_includedir "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
else()
  file(RELATIVE_PATH pc_up "/${pc_dir}" "/")
  string(REGEX REPLACE "/$" "" pc_up "${pc_up}")
  set(pc_prefix "\${pcfiledir}/${pc_up}")
  set(pc_libdir "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(pc_includedir "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
# With a static library of ours, who links with it links with libzmq too; libzmq
# itself stays shared (Debian's static one needs five libraries more).
if(BUILD_SHARED_LIBS)
  set(pc_requires "Requires.private")
else()
  set(pc_requires "Requires")
endif()
configure_file(cmake/powerhose-worker.pc.in "${CMAKE_CURRENT_BINARY_DIR}/powerhose-worker.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/powerhose-worker.pc" DESTINATION "${pc_dir}" COMPONENT library)
