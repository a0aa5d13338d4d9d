# SPDX-License-Identifier: Apache-2.0

# Targets for those who change the code:
#
#     cmake --build BUILD --target format         put the formatting right
#     cmake --build BUILD --target format-check   fail if it is not
#     cmake --build BUILD --target tidy           clang-tidy over everything that is compiled

set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

file(GLOB_RECURSE checked_sources CONFIGURE_DEPENDS
  include/*.hpp src/*.hpp src/*.cpp examples/*.cpp program/*.hpp program/*.cpp
  cryptoworker/*.hpp cryptoworker/*.cpp tests/*.hpp tests/*.cpp fuzz/*.cpp)
list(FILTER checked_sources EXCLUDE REGEX "/build[^/]*/")

find_program(CLANG_FORMAT NAMES clang-format-14 clang-format)
find_program(RUN_CLANG_TIDY NAMES run-clang-tidy-14 run-clang-tidy)
mark_as_advanced(CLANG_FORMAT RUN_CLANG_TIDY)

if(CLANG_FORMAT)
  add_custom_target(format COMMAND "${CLANG_FORMAT}" -i ${checked_sources} VERBATIM)
  add_custom_target(format-check COMMAND "${CLANG_FORMAT}" --dry-run --Werror ${checked_sources} VERBATIM)
endif()
if(RUN_CLANG_TIDY)
  add_custom_target(tidy
    COMMAND "${RUN_CLANG_TIDY}" -quiet -p "${CMAKE_BINARY_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}/(src|program|examples|cryptoworker)/"
    VERBATIM)
endif()
