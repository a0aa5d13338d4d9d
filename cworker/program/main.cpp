// SPDX-License-Identifier: Apache-2.0

// A worker with a few built-in services, in C++: what powerhose-worker is in Go.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <powerhose/worker.hpp>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "core_dumps.hpp"
#include "crypto.hpp"
#include "services.hpp"
#include "text.hpp"

namespace {

constexpr int wrong_usage = 2;

constexpr const char* about_services =
    "A worker with built-in services, on the C++ library:\n"
    "  echo    answers with the job itself\n"
    "  square  a decimal integer of up to 4096 digits: answers with its square\n"
    "  sleep   a number of milliseconds: waits, and answers with the number\n"
    "  burn    a number of milliseconds: uses as much processor time, and answers with\n"
    "          the number\n";

constexpr const char* about_crypto =
    "  crypto  hashes, MACs, derived keys, signatures and encryption, also with keys\n"
    "          that only this process holds: protocol/crypto/README.md\n\n"
    "--keys names a directory of such keys, files NAME.TYPE of mode 0600. It is read\n"
    "once, at start. Because this process may hold secrets it leaves no core dump, and\n"
    "no other process of the same user may trace it, unless --core-dumps is given.\n\n";

constexpr const char* about_no_crypto =
    "The service crypto is not in this build: it was made without Crypto++ or protobuf.\n\n"
    "This process leaves no core dump, and no other process of the same user may trace\n"
    "it, unless --core-dumps is given.\n\n";

constexpr const char* about_signals =
    "SIGTERM or SIGINT drains: it takes no new job and finishes what it has. A second\n"
    "signal ends it at once.\n";

constexpr const char* no_crypto =
    "the service crypto is not in this build: it was made without Crypto++ or protobuf";

constexpr const char* footer =
    "Each flag can also be set by an environment variable: --drain-timeout by\n"
    "POWERHOSE_DRAIN_TIMEOUT. The command line wins.\n\n"
    "Exit codes:\n"
    "  0  drained\n"
    "  1  an error, or a second signal\n"
    "  2  wrong usage\n"
    "  3  the master is gone, or never was there";

// Adds a flag for a duration such as 300ms, 5s, 1m30s.
void add_duration(CLI::App& app, const std::string& name, std::chrono::milliseconds& to,
                  const std::string& help) {
  app.add_option_function<std::string>(
         name,
         [&to, name](const std::string& text) {
           const auto duration = powerhose::detail::parse_duration(text);
           if (!duration)
             throw CLI::ValidationError(name, "\"" + text + "\" is not a duration such as 300ms, 5s, 1m30s");
           to = std::chrono::duration_cast<std::chrono::milliseconds>(*duration);
         },
         help + " (default " + powerhose::detail::format_duration(to) + ")")
      ->type_name("DURATION");
}

struct settings {
  powerhose::options worker = powerhose::options::from_environment();
  std::vector<std::string> services;
  std::string keys;
  bool core_dumps = false;
};

// The names of all services in alphabetical order.
std::vector<std::string> all_services() {
  std::vector<std::string> names = CLI::detail::split(cworker::all_services, ',');
  if (cworker::has_crypto) names.emplace_back(cworker::crypto_service);
  std::sort(names.begin(), names.end());
  return names;
}

void add_crypto_flags(CLI::App& app, settings& s) {
  CLI::Option* keys =
      app.add_option("--keys", s.keys,
                     "the directory of the keys that jobs of the service crypto may name (default none)")
          ->envname("POWERHOSE_KEYS");
  if (!cworker::has_crypto) keys->group("");  // not in the help, but what is wrong is said
  app.add_flag("--core-dumps", s.core_dumps,
               "allow core dumps of this process and tracing it, with all secrets in its memory")
      ->envname("POWERHOSE_CORE_DUMPS");
}

void add_flags(CLI::App& app, settings& s) {
  using powerhose::log_level;
  using powerhose::threading;
  static const std::map<std::string, log_level> levels{{"debug", log_level::debug},
                                                       {"info", log_level::info},
                                                       {"warn", log_level::warning},
                                                       {"error", log_level::error}};
  static const std::map<std::string, threading> threads{{"auto", threading::automatic},
                                                        {"relay", threading::relay},
                                                        {"crew", threading::crew},
                                                        {"single", threading::single}};
  powerhose::options& o = s.worker;
  if (!o.log) o.log = powerhose::log_to_stderr(log_level::info);
  app.set_version_flag("--version", std::string("powerhose-cworker version ") + POWERHOSE_VERSION);
  app.add_option("--backend", o.backend,
                 "the master's endpoint for workers (default $POWERHOSE_BACKEND, else this user's)");
  app.add_option("--services", s.services,
                 "the services to offer, with commas between (default " +
                     CLI::detail::join(all_services(), ",") + ")")
      ->delimiter(',')
      ->envname("POWERHOSE_SERVICES");
  add_crypto_flags(app, s);
  app.add_option("--capacity", o.capacity, "how many jobs to run at once, 1 to 1024")->capture_default_str();
  app.add_option_function<long>(
         "--prefetch",
         [&o](long n) {
           o.prefetch = n == 0 ? std::nullopt : std::optional(static_cast<unsigned>(n < 0 ? 0 : n));
         },
         "how many jobs to be handed beyond that, up to 256; negative means none, 0 decides by itself "
         "(default 0)")
      ->check(CLI::Range(-256, 256));
  app.add_option("--listen", o.listen,
                 "listen at this endpoint for jobs (default they come over the connection to the backend)");
  add_duration(app, "--patience", o.patience, "how long to try to reach a silent master before giving up");
  add_duration(app, "--drain-timeout", o.drain_timeout, "how long jobs may take to finish after SIGTERM");
  app.add_option_function<std::string>(
         "--threads", [&o](const std::string& name) { o.threads = threads.at(name); },
         "which threads do what: auto, relay, crew, single (default auto)")
      ->check(CLI::IsMember({"auto", "relay", "crew", "single"}))
      ->envname("POWERHOSE_THREADS");
  app.add_flag("--insecure", o.insecure,
               "allow tcp beyond this machine, where nothing is encrypted or authenticated")
      ->envname("POWERHOSE_INSECURE");
  app.add_option_function<std::string>(
         "--log-level", [&o](const std::string& name) { o.log = powerhose::log_to_stderr(levels.at(name)); },
         "the least that is logged to standard error: debug, info, warn, error (default info)")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}));
}

[[noreturn]] void refuse(const std::string& text) {
  throw powerhose::error(powerhose::errc::bad_service, text);
}

void offer_services(powerhose::worker& w, const settings& s) {
  const std::vector<std::string> names = s.services.empty() ? all_services() : s.services;
  bool crypto = false;
  for (const std::string& name : names) {
    if (name == cworker::crypto_service) {
      if (!cworker::has_crypto) refuse(no_crypto);
      crypto = true;
    } else if (!cworker::offer(w, name)) {
      refuse("there is no built-in service \"" + name + "\", only " +
             CLI::detail::join(all_services(), ", "));
    }
  }
  if (crypto) {
    const std::string loaded = cworker::offer_crypto(w, s.keys);
    if (!loaded.empty()) s.worker.log(powerhose::log_level::info, loaded);
  } else if (!s.keys.empty()) {
    refuse(cworker::has_crypto ? "--keys is of no use without the service crypto" : no_crypto);
  }
}

int serve(const settings& s) {
  if (!s.core_dumps) cworker::forbid_core_dumps();  // before there are secrets
  powerhose::worker w(s.worker);
  offer_services(w, s);
  return w.run();
}

}  // namespace

int main(int argc, char** argv) try {
  settings s;
  CLI::App app(
      std::string(about_services) + (cworker::has_crypto ? about_crypto : about_no_crypto) + about_signals,
      "powerhose-cworker");
  app.footer(footer);
  add_flags(app, s);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : wrong_usage;
  }
  return serve(s);
} catch (const powerhose::error& e) {
  std::fprintf(stderr, "%s\n", e.what());
  using powerhose::errc;
  const bool usage =
      e.code() == errc::bad_option || e.code() == errc::bad_endpoint || e.code() == errc::bad_service;
  return usage ? wrong_usage : powerhose::exit_status::failed;
} catch (const std::exception& e) {  // keys, core dumps
  std::fprintf(stderr, "%s\n", e.what());
  return powerhose::exit_status::failed;
}
