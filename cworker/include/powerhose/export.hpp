// SPDX-License-Identifier: Apache-2.0

/// @file
/// What a shared library shows of itself.

#pragma once

#define POWERHOSE_API __attribute__((visibility("default")))
