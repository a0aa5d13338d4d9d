// SPDX-License-Identifier: Apache-2.0

/// @file
/// The version of this library. The build reads it from here; the wire protocol
/// has a number of its own.

#pragma once

#define POWERHOSE_VERSION "0.1.0"
#define POWERHOSE_VERSION_MAJOR 0
#define POWERHOSE_VERSION_MINOR 1
#define POWERHOSE_VERSION_PATCH 0
