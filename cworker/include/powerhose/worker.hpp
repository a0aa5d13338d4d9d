// SPDX-License-Identifier: Apache-2.0

/// @file
/// A worker: it registers at a master, is given jobs, and answers each.
///
///     int main() {
///       powerhose::worker w;
///       w.on("square", [](const powerhose::job& job) { return square(job.payload()); });
///       return w.run();
///     }

#pragma once

#include <memory>
#include <powerhose/answer.hpp>
#include <powerhose/error.hpp>
#include <powerhose/export.hpp>
#include <powerhose/job.hpp>
#include <powerhose/options.hpp>
#include <powerhose/version.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace powerhose {

/// What run() returns, good as the status of a process.
struct exit_status {
  static constexpr int drained = 0;      ///< It was asked to stop, and finished what it had.
  static constexpr int failed = 1;       ///< Refused by the master, or handlers did not return.
  static constexpr int master_gone = 3;  ///< Nothing came from a master for options::patience.
};

/// One worker. It runs once. on() and run() belong to the thread that made it,
/// stop() may be called from any. It must not be used in a child of fork():
/// every member function then throws error with errc::forked.
class POWERHOSE_API worker {
 public:
  /// The same as worker(options::from_environment()).
  worker();

  /// Checks the options and, unless they say otherwise, blocks SIGTERM and
  /// SIGINT in this thread and those that it starts. Throws error with
  /// errc::bad_option or errc::bad_endpoint.
  explicit worker(options settings);

  /// Unblocks the signals again.
  ~worker();

  worker(worker&&) noexcept;
  worker& operator=(worker&&) noexcept;

  /// Offers a service: 0 to 64 octets of printable ASCII without spaces; the
  /// empty name is the default service. At most 256. The callable takes a const
  /// job& and returns the result: a std::string, anything that one can be made
  /// of, a container of octets such as std::vector<std::uint8_t>, or nothing. It
  /// is called from up to options::capacity threads at once. What it throws
  /// becomes the error that the job's caller sees (see handler). Throws error
  /// with errc::bad_service.
  ///
  /// From 32 KiB on these are not copied on their way to the socket: a
  /// std::string or std::vector that it returns by value, and a std::string_view
  /// (or another view of octets) of the job's own payload or a part of it. Any
  /// other view is copied as soon as the callable has returned.
  template <class Callable, class = std::enable_if_t<std::is_invocable_v<Callable&, const job&>>>
  worker& on(std::string_view service, Callable callable);

  /// Offers a service with a handler object, which the worker shares.
  worker& on(std::string_view service, std::shared_ptr<handler> object);

  /// Serves until it is asked to stop (stop(), SIGTERM, SIGINT) and has finished
  /// what it had, or until there is no use in going on; returns one of
  /// exit_status. Throws error: errc::misuse, errc::bad_service,
  /// errc::resources, errc::transport; errc::forked in the child of a handler
  /// that called fork() and returned there.
  int run();

  /// Asks run() to finish what it has and return; before run(), makes it return
  /// at once. Safe from any thread.
  void stop();

 private:
  struct impl;
  template <class Callable>
  class adapter;
  worker& add(std::string_view service, std::shared_ptr<detail::responder> object);

  std::unique_ptr<impl> impl_;
};

template <class Callable>
class worker::adapter final : public detail::responder {
 public:
  explicit adapter(Callable callable) : callable_(std::move(callable)) {}
  detail::answer respond(const job& work) override {
    if constexpr (std::is_void_v<std::invoke_result_t<Callable&, const job&>>) {
      callable_(work);
      return {};
    } else {
      return detail::to_answer(work.payload(), callable_(work));
    }
  }

 private:
  Callable callable_;
};

template <class Callable, class>
worker& worker::on(std::string_view service, Callable callable) {
  return add(service, std::make_shared<adapter<Callable>>(std::move(callable)));
}

}  // namespace powerhose
