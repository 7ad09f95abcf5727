#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loadcore/base/clock.hpp"

namespace loadcore::load {

/// What a run will do; a plain value, checked as a whole by validate() before anything is sent.
struct Plan {
  std::string name = "request";  ///< what the request is called in results by name
  std::string url;
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  std::optional<double> rate_rps;            ///< open loop at this rate; closed loop without it
  std::optional<std::uint64_t> requests;     ///< bounded by count, or else
  std::optional<base::Duration> duration;    ///< by time; exactly one of the two
  base::Duration warmup{0};                  ///< precedes the run; sent, but not measured
  base::Duration think_time{0};              ///< closed loop: pause after each answer
  std::optional<base::Duration> drop_after;  ///< open loop: later than this is dropped, not sent

  std::uint32_t connections = 64;
  std::uint32_t threads = 1;
  base::Duration timeout = std::chrono::seconds(10);
  base::Duration connect_timeout = std::chrono::seconds(5);
  base::Duration interval = std::chrono::seconds(1);  ///< length of one row of the timeline

  bool open_loop() const noexcept { return rate_rps.has_value(); }
};

/// Throws base::PlanError naming the first field at fault. Also checks this process: that the
/// connections fit into its file descriptors (raising the soft limit where the hard one allows).
void validate(const Plan& plan);

}  // namespace loadcore::load
