// SPDX-License-Identifier: Apache-2.0

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <powerhose/worker.hpp>
#include <utility>
#include <vector>

#include "control.hpp"
#include "engine.hpp"
#include "loop.hpp"
#include "process.hpp"
#include "text.hpp"
#include "wire/limits.hpp"
#include "wire/property.hpp"

namespace powerhose {

using detail::endpoint;

namespace {

constexpr unsigned default_prefetch = 64;
constexpr std::chrono::milliseconds least_patience{100};
constexpr std::chrono::milliseconds least_drain{1};

[[noreturn]] void refuse(const std::string& text) { throw error(errc::bad_option, text); }

std::string out_of_range(const char* name, unsigned long value, unsigned long low, unsigned long high) {
  return std::string(name) + " is " + std::to_string(value) + ": allowed are " + std::to_string(low) +
         " to " + std::to_string(high);
}

void check(const options& o) {
  if (o.capacity < 1 || o.capacity > detail::max_capacity)
    refuse(out_of_range("capacity", o.capacity, 1, detail::max_capacity));
  if (o.prefetch.value_or(0) > detail::max_prefetch)
    refuse(out_of_range("prefetch", *o.prefetch, 0, detail::max_prefetch));
  if (o.batch > detail::max_batch) refuse(out_of_range("batch", o.batch, 0, detail::max_batch));
  if (o.patience < least_patience) refuse("patience is below 100 ms");
  if (o.drain_timeout < least_drain) refuse("drain_timeout is below 1 ms");
  if (o.capacity > 1 && (o.threads == threading::relay || o.threads == threading::single))
    refuse("this use of threads is for a capacity of 1");
  if (!o.identity.empty()) {
    if (const detail::flaw bad = detail::check_identity(o.identity)) refuse(bad.text);
  }
}

// Host, process id and a random number: people can read it, and it never comes
// twice.
std::string new_identity() {
  std::string host = detail::host_name();
  host.resize(std::min(host.find('.'), host.size()));
  for (char& c : host) {
    const std::string one(1, c);
    if (detail::check_identity(one)) c = '-';
  }
  if (host.empty()) host = "worker";
  const std::string rest = "-" + std::to_string(::getpid()) + "-" + detail::random_hex(8);
  return host.substr(0, detail::max_identity - rest.size()) + rest;
}

}  // namespace

struct worker::impl {
  explicit impl(options given)
      : settings(std::move(given)),
        backend(endpoint::parse(settings.backend.empty() ? detail::default_backend() : settings.backend)) {
    check(settings);
    backend.check_secure(settings.insecure);
    if (!settings.listen.empty()) {
      own = endpoint::parse_listen(settings.listen);
      own->check_secure(settings.insecure);
    }
    stop_signal = detail::make_eventfd();
    if (settings.signals) signals.emplace();
  }

  detail::engine_config configure() const;
  int serve();

  options settings;
  endpoint backend;
  std::optional<endpoint> own;
  std::vector<detail::offer> offers;
  detail::fork_guard guard;
  detail::unique_fd stop_signal;
  std::optional<detail::signal_block> signals;
  bool ran = false;
};

detail::engine_config worker::impl::configure() const {
  detail::engine_config c;
  c.backend = backend;
  c.own = own;
  c.offers = offers;
  c.capacity = settings.capacity;
  c.batch = settings.batch;
  // A ledger needs a master on this machine, and a connection on which jobs
  // cannot outlive their registration.
  c.wants_ledger = settings.ledger && backend.is_ipc() && !own;
  c.prefetch_unledgered = settings.prefetch.value_or(0);
  c.prefetch = settings.prefetch.value_or(c.wants_ledger ? default_prefetch : 0);
  c.patience = settings.patience;
  c.drain_timeout = settings.drain_timeout;
  c.identity = settings.identity.empty() ? new_identity() : settings.identity;
  return c;
}

namespace {

// All that exists while a worker runs. In a child made by fork() it must neither
// be used nor destroyed, least of all the ZeroMQ context in it.
struct running {
  running(detail::engine_config config, const options& settings, const detail::signal_block* signals,
          const detail::unique_fd& stop)
      : work(std::move(config), detail::logger(settings.log)),
        outside(signals, stop, settings.lifeline, work, detail::logger(settings.log)) {
    const bool crew = settings.threads == threading::crew ||
                      (settings.threads == threading::automatic && settings.capacity > 1);
    loop = crew ? detail::make_crew(work, outside, settings.exit_if_stuck, settings.capacity)
                : detail::make_relay(work, outside, settings.exit_if_stuck,
                                     settings.threads != threading::single);
  }

  detail::engine work;
  detail::control outside;
  std::unique_ptr<detail::loop> loop;
};

// In such a child: what is left alone. Kept here so that tools do not take it for
// a leak; volatile, so that the compiler does not find it useless.
running* volatile abandoned = nullptr;

}  // namespace

int worker::impl::serve() {
  auto now = std::make_unique<running>(configure(), settings, signals ? &*signals : nullptr, stop_signal);
  try {
    now->loop->run();
  } catch (const error& e) {
    if (e.code() == errc::forked) abandoned = now.release();
    throw;
  }
  const int status = now->outside.status();
  now.reset();  // so that the last messages are gone, and signals of a late hurry taken
  if (signals) signals->discard();
  return status;
}

worker::worker() : worker(options::from_environment()) {}

worker::worker(options settings) : impl_(std::make_unique<impl>(std::move(settings))) {}

worker::~worker() = default;
worker::worker(worker&&) noexcept = default;
worker& worker::operator=(worker&&) noexcept = default;

worker& worker::on(std::string_view service, std::shared_ptr<handler> object) {
  if (!object) return add(service, nullptr);
  return on(service, [object = std::move(object)](const job& work) { return object->handle(work); });
}

worker& worker::add(std::string_view service, std::shared_ptr<detail::responder> object) {
  impl_->guard.check();
  const std::string name = "service \"" + detail::printable(service) + "\"";
  if (const detail::flaw bad = detail::check_service(service))
    throw error(errc::bad_service, name + ": " + bad.text);
  if (!object) throw error(errc::bad_service, name + " has no handler");
  if (impl_->ran) throw error(errc::misuse, name + " is offered too late: run() was called");
  for (const detail::offer& o : impl_->offers) {
    if (o.name == service) throw error(errc::bad_service, name + " is offered twice");
  }
  if (impl_->offers.size() == detail::max_services)
    throw error(errc::bad_service, "more than " + std::to_string(detail::max_services) + " services");
  detail::offer o;
  o.name = service;
  o.object = std::move(object);
  impl_->offers.push_back(std::move(o));
  return *this;
}

int worker::run() {
  impl_->guard.check();
  if (std::exchange(impl_->ran, true))
    throw error(errc::misuse, "run() was called before: a worker runs once");
  if (impl_->offers.empty()) throw error(errc::bad_service, "no service is offered: call on() before run()");
  return impl_->serve();
}

void worker::stop() {
  impl_->guard.check();
  detail::ring(impl_->stop_signal);
}

}  // namespace powerhose
