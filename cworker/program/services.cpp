// SPDX-License-Identifier: Apache-2.0

#include "services.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <stdexcept>
#include <vector>

namespace cworker {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::size_t most_digits = 4096;
constexpr milliseconds most_time = std::chrono::hours(1);

constexpr std::uint64_t base = 1'000'000'000;
constexpr std::size_t base_digits = 9;

// What burn computes, kept so that no compiler finds it useless.
std::atomic<std::uint64_t> ashes{0};

std::string_view trim(std::string_view text) {
  constexpr std::string_view blanks = " \t\n\v\f\r";
  const std::size_t first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

milliseconds read_time(const char* service, std::string_view text) {
  text = trim(text);
  std::uint64_t n = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (text.empty() || code != std::errc() || end != text.data() + text.size() ||
      n > static_cast<std::uint64_t>(most_time.count()))
    throw std::runtime_error(std::string(service) + ": not a number of milliseconds from 0 to " +
                             std::to_string(most_time.count()));
  return milliseconds(n);
}

nanoseconds thread_time() {
  timespec t{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return std::chrono::seconds(t.tv_sec) + nanoseconds(t.tv_nsec);
}

void stop_if_cancelled(const powerhose::job& job) {
  if (job.cancelled()) throw std::runtime_error("cancelled");
}

void sleep_for(nanoseconds d) {
  const timespec t{static_cast<time_t>(d.count() / 1'000'000'000),
                   static_cast<long>(d.count() % 1'000'000'000)};
  ::nanosleep(&t, nullptr);  // a signal may end it early: the caller looks at the clock
}

// The least significant limb first.
std::vector<std::uint64_t> limbs_of(std::string_view digits) {
  std::vector<std::uint64_t> out;
  while (!digits.empty()) {
    const std::size_t n = std::min(base_digits, digits.size());
    std::uint64_t limb = 0;
    for (const char c : digits.substr(digits.size() - n))
      limb = limb * 10 + static_cast<std::uint64_t>(c - '0');
    out.push_back(limb);
    digits.remove_suffix(n);
  }
  return out;
}

std::string digits_of(const std::vector<std::uint64_t>& limbs) {
  std::string out;
  for (std::size_t i = limbs.size(); i-- > 0;) {
    const std::string limb = std::to_string(limbs[i]);
    out.append(base_digits - limb.size(), '0').append(limb);
  }
  out.erase(0, std::min(out.find_first_not_of('0'), out.size() - 1));
  return out;
}

}  // namespace

const char all_services[] = "burn,echo,sleep,square";

bool offer(powerhose::worker& to, std::string_view name) {
  const struct {
    std::string_view name;
    std::string (*work)(const powerhose::job&);
  } all[] = {{"burn", burn}, {"echo", echo}, {"sleep", sleep}, {"square", square}};
  for (const auto& service : all) {
    if (service.name != name) continue;
    to.on(name, service.work);
    return true;
  }
  return false;
}

std::string echo(const powerhose::job& job) { return std::string(job.payload()); }

std::string square(const powerhose::job& job) { return square_of(job.payload()); }

std::string square_of(std::string_view text) {
  text = trim(text);
  const std::size_t digits = text.size() - std::min(text.find_first_not_of("+-"), text.size());
  if (digits > most_digits)
    throw std::runtime_error("square: the number has " + std::to_string(digits) + " digits, at most " +
                             std::to_string(most_digits) + " are allowed");
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_digit))
    throw std::runtime_error("square: not a decimal integer");
  const std::vector<std::uint64_t> number = limbs_of(text);
  std::vector<std::uint64_t> product(2 * number.size(), 0);
  for (std::size_t i = 0; i < number.size(); ++i) {
    std::uint64_t carry = 0;
    for (std::size_t k = 0; k < number.size(); ++k) {
      carry += product[i + k] + number[i] * number[k];  // less than 2^64: all limbs are below 10^9
      product[i + k] = carry % base;
      carry /= base;
    }
    product[i + number.size()] = carry;
  }
  return digits_of(product);
}

std::string sleep(const powerhose::job& job) {
  constexpr nanoseconds glance = milliseconds(10);  // how often it looks whether it was cancelled
  const milliseconds time = read_time("sleep", job.payload());
  const auto end = powerhose::job::clock::now() + time;
  for (;;) {
    const nanoseconds left = end - powerhose::job::clock::now();
    if (left <= nanoseconds::zero()) return std::to_string(time.count());
    stop_if_cancelled(job);
    sleep_for(std::min(left, glance));
  }
}

std::string burn(const powerhose::job& job) {
  constexpr int some = 20'000;  // about 20 microseconds
  const milliseconds time = read_time("burn", job.payload());
  const nanoseconds end = thread_time() + time;
  std::uint64_t x = 1;
  while (thread_time() < end) {
    stop_if_cancelled(job);
    for (int i = 0; i < some; ++i) x = x * 6364136223846793005U + 1442695040888963407U;
    ashes.store(x, std::memory_order_relaxed);
  }
  return std::to_string(time.count());
}

}  // namespace cworker
