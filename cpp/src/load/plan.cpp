#include "loadcore/load/plan.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include "loadcore/base/error.hpp"
#include "loadcore/http/request.hpp"
#include "loadcore/http/url.hpp"

namespace loadcore::load {
namespace {

using base::Duration;
using base::PlanError;

constexpr double rate_rps_max = 100e6;
constexpr std::uint32_t connections_max = 1'000'000;
constexpr std::uint32_t threads_max = 1024;
constexpr std::uint64_t requests_max = 1'000'000'000'000'000;
constexpr Duration span_max = std::chrono::hours(24 * 366);
constexpr Duration interval_min = std::chrono::milliseconds(1);

void check_span(const char* field, Duration value, Duration least, const char* least_text) {
  if (value < least) {
    throw PlanError(field, std::string(field) + " must be " + least_text);
  }
  if (value > span_max) throw PlanError(field, std::string(field) + " must be at most a year");
}

void check_bounds(const Plan& plan) {
  if (plan.requests.has_value() == plan.duration.has_value()) {
    throw PlanError("duration", "give the run either a duration or a number of requests");
  }
  if (plan.duration) check_span("duration", *plan.duration, Duration(1), "more than 0");
  if (plan.requests && (*plan.requests == 0 || *plan.requests > requests_max)) {
    throw PlanError("requests", "requests must be from 1 to 1e15");
  }
  check_span("warmup", plan.warmup, Duration(0), "0 or more");
  check_span("think_time", plan.think_time, Duration(0), "0 or more");
  check_span("timeout", plan.timeout, Duration(1), "more than 0");
  check_span("connect_timeout", plan.connect_timeout, Duration(1), "more than 0");
  check_span("interval", plan.interval, interval_min, "at least 1 ms");
}

void check_schedule(const Plan& plan) {
  if (!plan.open_loop()) {
    if (plan.drop_after) {
      throw PlanError("drop_after", "drop_after needs a rate: a closed loop is never late");
    }
    return;
  }
  const double rate = *plan.rate_rps;
  if (!std::isfinite(rate) || rate <= 0 || rate > rate_rps_max) {
    throw PlanError("rate", "rate must be more than 0 and at most 100 million requests a second");
  }
  // Beyond that the instants of the schedule leave what 64 bits of nanoseconds hold.
  if (rate * base::seconds(span_max) < 1) {
    throw PlanError("rate", "rate must be at least one request in a year");
  }
  if (plan.think_time > Duration(0)) {
    throw PlanError("think_time", "think_time is for a closed loop: leave out the rate or it");
  }
  if (plan.drop_after) check_span("drop_after", *plan.drop_after, Duration(0), "0 or more");
  if (plan.requests && static_cast<double>(*plan.requests) / rate > base::seconds(span_max)) {
    throw PlanError("requests", "so many requests at this rate take more than a year");
  }
}

/// Files this process has open now; a guess where /proc is not mounted.
std::uint64_t open_files() {
  std::error_code error;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end;
       !error && entry != end; entry.increment(error)) {
    ++count;
  }
  return error ? 64 : count;
}

void check_file_descriptors(const Plan& plan) {
  // Each thread's loop has an epoll, a timer and an event descriptor; name look-ups need a few.
  const std::uint64_t needed = open_files() + plan.connections + 4ULL * plan.threads + 16;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed) return;
  const rlimit raised{std::min<rlim_t>(needed, limit.rlim_max), limit.rlim_max};
  if (limit.rlim_max >= needed && ::setrlimit(RLIMIT_NOFILE, &raised) == 0) return;
  throw PlanError("connections",
                  std::to_string(plan.connections) + " connections need " + std::to_string(needed) +
                      " file descriptors and the limit is " + std::to_string(limit.rlim_max) +
                      ": raise it with ulimit -n or use fewer connections");
}

}  // namespace

void validate(const Plan& plan) {
  http::serialize({plan.method, http::parse_url(plan.url), plan.headers, plan.body});
  check_bounds(plan);
  check_schedule(plan);
  if (plan.connections == 0 || plan.connections > connections_max) {
    throw PlanError("connections", "connections must be from 1 to 1,000,000");
  }
  if (plan.threads == 0 || plan.threads > threads_max || plan.threads > plan.connections) {
    throw PlanError("threads",
                    "threads must be at least 1, at most 1,024 and no more than there are "
                    "connections");
  }
  check_file_descriptors(plan);
}

}  // namespace loadcore::load
