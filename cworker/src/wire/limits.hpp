// SPDX-License-Identifier: Apache-2.0

// The limits and timers of docs/protocol.md, sections 16 and 17; where each
// comes from says protocol/limits.go.

#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace powerhose::detail {

constexpr std::size_t max_service_name = 64;
constexpr std::size_t max_services = 256;
constexpr unsigned max_capacity = 1024;
constexpr unsigned max_prefetch = 256;
constexpr unsigned max_batch = 256;
constexpr std::size_t max_headers = 4096;
constexpr std::size_t max_header_name = 255;
constexpr std::size_t max_identity = 64;
constexpr std::size_t max_host = 255;
constexpr std::size_t max_endpoint = 113;
constexpr std::size_t max_ledger = 4095;
constexpr std::size_t max_label = 64;
constexpr std::size_t max_error_text = 4096;
constexpr std::size_t max_property_name = 64;
constexpr std::size_t max_properties = 32768;
constexpr std::int64_t max_pid = 2147483647;
constexpr std::int64_t min_message = 65536;
constexpr std::int64_t max_message = std::int64_t{1} << 30;
constexpr std::chrono::milliseconds min_heartbeat{1};
constexpr std::chrono::milliseconds max_heartbeat{60000};
constexpr unsigned min_liveness = 2;
constexpr unsigned max_liveness = 100;

constexpr unsigned default_capacity = 1;
constexpr std::chrono::milliseconds default_heartbeat{1000};
constexpr unsigned default_liveness = 3;
constexpr std::int64_t default_max_message = 1048576;

/// How long a peer waits for WELCOME.
constexpr std::chrono::milliseconds handshake_timeout{3000};

/// The longest time left or wait: 2^63 nanoseconds, rounded down.
constexpr std::chrono::microseconds max_time{INT64_MAX / 1000};

}  // namespace powerhose::detail
