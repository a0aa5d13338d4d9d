// SPDX-License-Identifier: Apache-2.0

// A worker and a client of gearmand, as users of libgearman write them.
//
//   gearman worker PORT
//   gearman client PORT CALLERS BYTES WARM_MS MEASURE_MS
//
// The client keeps CALLERS tasks running over its one connection.

#include <libgearman/gearman.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "meter.hpp"

namespace {

constexpr char host[] = "127.0.0.1";
constexpr char function_name[] = "echo";

void check(gearman_return_t rc, const char* what, const char* detail) {
  if (gearman_failed(rc)) {
    std::fprintf(stderr, "gearman: %s: %s: %s\n", what, gearman_strerror(rc), detail ? detail : "");
    std::exit(1);
  }
}

gearman_return_t echo(gearman_job_st* job, void*) {
  return gearman_job_send_complete(job, gearman_job_workload(job), gearman_job_workload_size(job));
}

int worker(in_port_t port) {
  gearman_worker_st* w = gearman_worker_create(nullptr);
  check(gearman_worker_add_server(w, host, port), "server", gearman_worker_error(w));
  const gearman_function_t function = gearman_function_create(echo);
  check(gearman_worker_define_function(w, function_name, std::strlen(function_name), function, 0, nullptr), "function",
        gearman_worker_error(w));
  for (;;) check(gearman_worker_work(w), "work", gearman_worker_error(w));
}

struct load {
  gearman_client_st* client;
  meter* m;
  std::string payload;
  std::vector<meter::clock::time_point> started;
  std::vector<std::size_t> idle;  // callers whose task has ended
  bool failed = false;
};

// caller is what a task carries.
struct caller {
  load* l;
  std::size_t number;
};

gearman_return_t complete(gearman_task_st* task) {
  const auto* c = static_cast<const caller*>(gearman_task_context(task));
  load* l = c->l;
  if (gearman_task_data_size(task) != l->payload.size()) l->failed = true;
  l->started[c->number] = l->m->done(l->started[c->number]);
  l->idle.push_back(c->number);
  return GEARMAN_SUCCESS;
}

gearman_return_t fail(gearman_task_st* task) {
  static_cast<const caller*>(gearman_task_context(task))->l->failed = true;
  return GEARMAN_WORK_FAIL;
}

int client(in_port_t port, std::size_t callers, std::size_t bytes, long warm_ms, long measure_ms) {
  meter m(warm_ms, measure_ms);
  load l{gearman_client_create(nullptr), &m, std::string(bytes, 'x'),
         std::vector<meter::clock::time_point>(callers, meter::clock::now()), {}};
  check(gearman_client_add_server(l.client, host, port), "server", gearman_client_error(l.client));
  gearman_client_add_options(l.client, static_cast<gearman_client_options_t>(GEARMAN_CLIENT_FREE_TASKS | GEARMAN_CLIENT_NON_BLOCKING));
  gearman_client_set_complete_fn(l.client, complete);
  gearman_client_set_fail_fn(l.client, fail);
  std::vector<caller> contexts;
  for (std::size_t i = 0; i < callers; i++) {
    contexts.push_back({&l, i});
    l.idle.push_back(i);
  }
  while (!m.over() && !l.failed) {
    for (const std::size_t i : l.idle) {
      gearman_return_t rc = GEARMAN_SUCCESS;
      gearman_client_add_task(l.client, nullptr, &contexts[i], function_name, nullptr, l.payload.data(),
                              l.payload.size(), &rc);
      check(rc, "add a task", gearman_client_error(l.client));
    }
    l.idle.clear();
    // It returns when it would have to wait, so that tasks can be added.
    gearman_return_t rc = gearman_client_run_tasks(l.client);
    if (rc == GEARMAN_IO_WAIT) {
      if (!l.idle.empty()) continue;
      rc = gearman_client_wait(l.client);
    }
    check(rc, "run", gearman_client_error(l.client));
  }
  if (l.failed) {
    std::fprintf(stderr, "gearman: a task failed\n");
    return 1;
  }
  m.report();
  gearman_client_free(l.client);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "worker" && argc == 3) return worker(static_cast<in_port_t>(number(argv[2])));
  if (mode == "client" && argc == 7) {
    return client(static_cast<in_port_t>(number(argv[2])), static_cast<std::size_t>(number(argv[3])),
                  static_cast<std::size_t>(number(argv[4])), number(argv[5]), number(argv[6]));
  }
  std::fprintf(stderr, "usage: gearman worker PORT | client PORT CALLERS BYTES WARM_MS MEASURE_MS\n");
  return 2;
}
