#include "load/verdict.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

namespace loadcore::load {
namespace {

using base::Duration;

// A thread this busy has no time left to notice answers when they arrive.
constexpr double cpu_bound = 0.95;
constexpr double cpu_busy = 0.80;
// Below this a loop that is late costs nothing that a histogram could show.
constexpr Duration late_negligible = std::chrono::microseconds(100);
constexpr Duration late_tail = std::chrono::milliseconds(1);
constexpr double late_share_of_latency = 0.10;
constexpr double sent_share_min = 0.99;
constexpr double connections_in_use_max = 0.90;
constexpr double broken_share_max = 0.01;

std::string text(const char* format, auto... values) {
  std::string out(256, '\0');
  const int length = std::snprintf(out.data(), out.size(), format, values...);
  out.resize(std::min(static_cast<std::size_t>(length), out.size() - 1));
  return out;
}

double milliseconds(Duration span) { return base::seconds(span) * 1e3; }
Duration percentile(const histogram::Histogram& histogram, double at) {
  return Duration(histogram.value_at_percentile(at));
}

class Judge {
 public:
  Judge(const Plan& plan, const Report& report) : plan_(plan), report_(report) {}

  Verdict verdict() {
    if (report_.counts.completed == 0) {
      suspect("not one request was answered, so there is nothing to tell of the target's latency");
    }
    look_at_cpu();
    if (plan_.open_loop()) {
      look_at_lateness();
      look_at_what_was_not_sent();
      look_at_connections();
    }
    look_at_broken();
    std::stable_sort(found_.begin(), found_.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    Verdict verdict;
    if (!found_.empty()) verdict.state = found_.front().first;
    for (auto& [state, reason] : found_) verdict.reasons.push_back(std::move(reason));
    return verdict;
  }

 private:
  void suspect(std::string reason) {
    found_.emplace_back(VerdictState::suspect, std::move(reason));
  }
  void generator_bound(std::string reason) {
    found_.emplace_back(VerdictState::generator_bound, std::move(reason));
  }

  void look_at_cpu() {
    double busiest = 0;
    for (const ThreadReport& thread : report_.threads) {
      // CPU time comes in ticks of the scheduler; over less than this it says nothing.
      if (thread.wall < std::chrono::milliseconds(100)) continue;
      busiest = std::max(busiest, base::seconds(thread.cpu) / base::seconds(thread.wall));
    }
    if (busiest < cpu_busy) return;
    auto reason =
        text("a load thread used %.0f %% of its CPU: give the run more threads or machines",
             std::min(100.0, busiest * 100));
    busiest >= cpu_bound ? generator_bound(std::move(reason)) : suspect(std::move(reason));
  }

  void look_at_lateness() {
    const Duration gap(
        static_cast<std::int64_t>(1e9 / *plan_.rate_rps * std::max(1U, plan_.threads)));
    for (const ThreadReport& thread : report_.threads) {
      if (thread.late_p50 <= std::max(gap, late_negligible)) continue;
      generator_bound(
          text("half of a thread's requests started %.3f ms or more late with a connection free, "
               "against %.3f ms from one to the next: give the run more threads or machines",
               milliseconds(thread.late_p50), milliseconds(gap)));
      return;
    }
    const Duration late = percentile(report_.generator_late, 99);
    const Duration latency = percentile(report_.latency, 99);
    if (late > late_tail && base::seconds(late) >= late_share_of_latency * base::seconds(latency)) {
      suspect(
          text("the generator's own lateness is %.1f ms at the 99th percentile, of a latency of "
               "%.1f ms there: something else runs on its CPUs",
               milliseconds(late), milliseconds(latency)));
    }
  }

  void look_at_what_was_not_sent() {
    const auto& counts = report_.counts;
    if (counts.scheduled == 0) return;
    const double share = static_cast<double>(counts.sent) / static_cast<double>(counts.scheduled);
    if (share >= sent_share_min) return;
    const bool late = report_.generator_late.mean() > report_.blocked.mean();
    auto reason = text("only %.1f %% of the scheduled requests were sent, since %s", share * 100,
                       late ? "the generator could not keep up"
                            : "all connections waited for answers: the target is slower than the "
                              "rate, or needs more connections");
    late ? generator_bound(std::move(reason)) : suspect(std::move(reason));
  }

  /// Little's law: rate times mean time in service is the mean number of connections in use.
  void look_at_connections() {
    const double needed = *plan_.rate_rps * report_.service.mean() * 1e-9;
    if (needed <= connections_in_use_max * plan_.connections) return;
    suspect(
        text("%.0f requests a second of %.1f ms each keep %.0f connections busy, and there are "
             "%u: what waited for a connection is part of the latency",
             *plan_.rate_rps, report_.service.mean() * 1e-6, std::ceil(needed), plan_.connections));
  }

  void look_at_broken() {
    const auto& counts = report_.counts;
    const auto broken = counts.failed();
    if (broken == 0 || counts.sent == 0) return;
    const double share = static_cast<double>(broken) / static_cast<double>(counts.sent);
    if (share < broken_share_max) return;
    suspect(text("%.1f %% of the requests sent got no answer, and latency does not tell of them",
                 share * 100));
  }

  const Plan& plan_;
  const Report& report_;
  std::vector<std::pair<VerdictState, std::string>> found_;
};

}  // namespace

Verdict judge(const Plan& plan, const Report& report) { return Judge(plan, report).verdict(); }

}  // namespace loadcore::load
