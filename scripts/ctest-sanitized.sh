#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Builds the C++ tests with a sanitizer, in a folder of their own, and runs them. The argument is a preset of
# cworker/CMakePresets.json: asan or tsan.
. "$(dirname "$0")/lib.sh"

preset=${1:?usage: scripts/ctest-sanitized.sh asan|tsan}
say "building cworker/ with sanitizers ($preset)"
(cd cworker && cmake --preset "$preset" >/dev/null)
cmake --build "cworker/build/$preset" -j "$(nproc)" >/dev/null
ctest --test-dir "cworker/build/$preset" -j "$(nproc)" --output-on-failure
