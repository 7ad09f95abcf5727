#include "load/verdict.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

using loadcore::base::Duration;
using namespace loadcore::load;
using namespace std::chrono_literals;

namespace {

using Change = std::function<void(Plan&, Report&)>;

/// 10,000 requests in 10 s by two threads, of which nothing bad can be said.
struct Sound {
  Plan plan;
  Report report;

  Sound() {
    plan.url = "http://target/";
    plan.rate_rps = 1000;
    plan.duration = 10s;
    plan.connections = 100;
    plan.threads = 2;
    report.counts = {.scheduled = 10'000, .sent = 10'000, .completed = 10'000};
    report.latency.record(Duration(20ms).count(), 10'000);
    report.service.record(Duration(20ms).count(), 10'000);
    report.send_lag.record(Duration(20us).count(), 10'000);
    report.generator_late.record(Duration(20us).count(), 10'000);
    report.blocked.record(0, 10'000);
    report.threads.assign(2, {.cpu = 1s,
                              .wall = 10s,
                              .connections = 50,
                              .sent = 5'000,
                              .late_p50 = 20us,
                              .late_p99 = 30us,
                              .late_max = 1ms});
  }

  Verdict with(const std::vector<Change>& changes) {
    for (const Change& change : changes) change(plan, report);
    return judge(plan, report);
  }
};

std::string_view name(VerdictState state) {
  switch (state) {
    case VerdictState::valid:
      return "valid";
    case VerdictState::suspect:
      return "suspect";
    case VerdictState::generator_bound:
      return "generator-bound";
  }
  return "";
}

Change closed_loop() {
  return [](Plan& plan, Report&) { plan.rate_rps.reset(); };
}
Change cpu(Duration used, Duration wall = 10s) {
  return [=](Plan&, Report& report) {
    report.threads[1].cpu = used;
    report.threads[1].wall = wall;
  };
}
Change late_median(Duration late) {
  return [=](Plan&, Report& report) { report.threads[1].late_p50 = late; };
}
Change late_tail(Duration late) {
  return [=](Plan&, Report& report) { report.generator_late.record(late.count(), 1'000); };
}
Change latency_tail(Duration latency) {
  return [=](Plan&, Report& report) { report.latency.record(latency.count(), 1'000); };
}
Change unsent(std::uint64_t requests) {
  return [=](Plan&, Report& report) {
    report.counts.sent -= requests;
    report.counts.completed -= requests;
    report.counts.unsent += requests;
  };
}
Change blocked(Duration wait) {
  return [=](Plan&, Report& report) { report.blocked.record(wait.count(), 10'000); };
}
Change service_time(Duration span) {
  return [=](Plan&, Report& report) {
    report.service.reset();
    report.service.record(span.count(), 10'000);
  };
}
Change broken(std::uint64_t requests, std::uint64_t Counts::* kind) {
  return [=](Plan&, Report& report) {
    report.counts.completed -= requests;
    report.counts.*kind += requests;
  };
}
Change rate(double rps) {
  return [=](Plan& plan, Report&) { plan.rate_rps = rps; };
}

struct Row {
  const char* what;
  std::vector<Change> changes;
  VerdictState state;
  std::vector<const char*> reasons;  ///< a part of each
};

void check(const std::vector<Row>& table) {
  for (const Row& row : table) {
    BOOST_TEST_CONTEXT(row.what) {
      const Verdict verdict = Sound().with(row.changes);
      BOOST_TEST(name(verdict.state) == name(row.state));
      BOOST_TEST_REQUIRE(verdict.reasons.size() == row.reasons.size());
      for (std::size_t at = 0; at < row.reasons.size(); ++at) {
        BOOST_TEST_CONTEXT(verdict.reasons[at]) {
          BOOST_TEST(verdict.reasons[at].find(row.reasons[at]) != std::string::npos);
          BOOST_TEST(!verdict.reasons[at].ends_with('.'));
        }
      }
    }
  }
}

constexpr auto valid = VerdictState::valid;
constexpr auto suspect = VerdictState::suspect;
constexpr auto generator_bound = VerdictState::generator_bound;

}  // namespace

BOOST_AUTO_TEST_SUITE(verdict)

BOOST_AUTO_TEST_CASE(nothing_to_say) { check({{"sound", {}, valid, {}}}); }

BOOST_AUTO_TEST_CASE(cpu_time) {
  check({
      {"just below busy", {cpu(7'999ms)}, valid, {}},
      {"busy", {cpu(8s)}, suspect, {"used 80 % of its CPU"}},
      {"just below bound", {cpu(9'499ms)}, suspect, {"of its CPU"}},
      {"bound", {cpu(9'500ms)}, generator_bound, {"used 95 % of its CPU"}},
      {"never more than all", {cpu(11s)}, generator_bound, {"used 100 % of its CPU"}},
      {"too short to tell", {cpu(99ms, 99ms)}, valid, {}},
      {"just long enough", {cpu(100ms, 100ms)}, generator_bound, {"of its CPU"}},
      {"in a closed loop too", {closed_loop(), cpu(9'500ms)}, generator_bound, {"of its CPU"}},
  });
}

BOOST_AUTO_TEST_CASE(lateness) {
  check({
      // 1,000 a second by two threads: 2 ms from one to the next.
      {"as late as the gap", {late_median(2ms)}, valid, {}},
      {"later", {late_median(2ms + 1ns)}, generator_bound, {"half of a thread's requests"}},
      {"a gap too small to matter", {rate(1e6), service_time(10us), late_median(100us)}, valid, {}},
      {"and beyond that",
       {rate(1e6), service_time(10us), late_median(100us + 1ns)},
       generator_bound,
       {"half of a thread's requests"}},
      {"no such thing in a closed loop", {closed_loop(), late_median(1s)}, valid, {}},
      {"a tail of a millisecond", {late_tail(999us), latency_tail(5ms)}, valid, {}},
      {"a tail that is a tenth", {late_tail(3ms)}, suspect, {"lateness is 3.0 ms"}},
      {"a tail that is less", {late_tail(1'900us)}, valid, {}},
      {"a tail beside a longer one", {late_tail(3ms), latency_tail(40ms)}, valid, {}},
      {"the median says more than the tail",
       {late_median(5ms), late_tail(5ms)},
       generator_bound,
       {"half of a thread's requests"}},
  });
}

BOOST_AUTO_TEST_CASE(what_was_not_sent) {
  check({
      {"one in a hundred", {unsent(100)}, valid, {}},
      {"more, and we were late",
       {unsent(101)},
       generator_bound,
       {"the generator could not keep up"}},
      {"more, for want of connections",
       {unsent(101), blocked(1ms)},
       suspect,
       {"only 99.0 % of the scheduled requests were sent, since all connections waited"}},
      {"not in a closed loop", {closed_loop(), unsent(5'000)}, valid, {}},
  });
}

BOOST_AUTO_TEST_CASE(connections_in_use) {
  check({
      {"nine in ten", {service_time(89'900us)}, valid, {}},
      {"more", {service_time(90'200us)}, suspect, {"keep 91 connections busy, and there are 100"}},
      {"not in a closed loop", {closed_loop(), service_time(1s)}, valid, {}},
  });
}

BOOST_AUTO_TEST_CASE(broken_requests) {
  for (const auto kind : {&Counts::connect, &Counts::timeout, &Counts::reset, &Counts::protocol}) {
    check({
        {"below one in a hundred", {broken(99, kind)}, valid, {}},
        {"one in a hundred", {broken(100, kind)}, suspect, {"1.0 % of the requests sent got no"}},
        {"closed loop", {closed_loop(), broken(100, kind)}, suspect, {"got no answer"}},
    });
  }
}

BOOST_AUTO_TEST_CASE(nothing_was_answered) {
  const Change nothing = [](Plan&, Report& report) {
    report.counts = {};
    report.latency.reset();
    report.service.reset();
    report.generator_late.reset();
  };
  check({
      {"nothing happened", {nothing}, suspect, {"not one request was answered"}},
      {"closed loop", {closed_loop(), nothing}, suspect, {"not one request was answered"}},
      {"everything failed",
       {broken(10'000, &Counts::reset)},
       suspect,
       {"not one request was answered", "100.0 % of the requests sent"}},
  });
}

BOOST_AUTO_TEST_CASE(the_worst_comes_first) {
  check({
      {"all at once",
       {cpu(8s), late_median(5ms), unsent(5'000), service_time(200ms), broken(500, &Counts::reset)},
       generator_bound,
       {"half of a thread's requests", "the generator could not keep up", "of its CPU",
        "connections busy", "got no answer"}},
      {"suspicions only",
       {cpu(8s), unsent(5'000), blocked(1s), broken(500, &Counts::timeout)},
       suspect,
       {"of its CPU", "all connections waited", "10.0 % of the requests sent"}},
  });
}

BOOST_AUTO_TEST_SUITE_END()
