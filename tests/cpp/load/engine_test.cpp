// The engine as others use it: real threads, real sockets, the real clock.

#include "loadcore/load/engine.hpp"

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <string>
#include <thread>

#include "../comes_true.hpp"
#include "../scripted_server.hpp"
#include "loadcore/histogram/encoding.hpp"

using namespace loadcore;
using base::Duration;
using load::Counts;
using load::Engine;
using load::Outcome;
using load::Phase;
using load::Plan;
using load::Report;
using test::comes_true;
using test::ScriptedServer;
using namespace std::chrono_literals;

namespace {

Plan plan_for(const ScriptedServer& server, std::uint32_t threads) {
  Plan plan;
  plan.url = server.url();
  plan.threads = threads;
  plan.connections = 8;
  plan.duration = 300ms;
  plan.timeout = 5s;
  plan.interval = 100ms;
  return plan;
}

Report finished(Engine& engine) {
  BOOST_TEST_REQUIRE(engine.wait_for(20s));
  return engine.report();
}

Report run(Plan plan) {
  Engine engine(std::move(plan));
  engine.start();
  return finished(engine);
}

void check_rows(const Report& report) {
  Counts sum;
  histogram::Histogram latency;
  Duration at{0};
  for (const auto& row : report.intervals) {
    BOOST_TEST((row.start == at));
    at += row.length;
    sum += row.counts;
    latency.merge(histogram::decode(row.latency));
  }
  BOOST_TEST((sum == report.counts));
  BOOST_TEST((latency == report.latency));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(engine)

BOOST_AUTO_TEST_CASE(closed_loop_by_count) {
  for (const std::uint32_t threads : {1U, 4U}) {
    ScriptedServer server(test::answer_all);
    Plan plan = plan_for(server, threads);
    plan.duration.reset();
    plan.requests = 1'000;
    const Report report = run(plan);
    BOOST_TEST((report.outcome == Outcome::completed));
    BOOST_TEST(report.counts.completed == 1'000U);
    BOOST_TEST(report.counts.sent == 1'000U);
    BOOST_TEST(report.connects == 8U);
    BOOST_TEST(server.accepted() == 8U);
    BOOST_TEST(report.bytes_received == 1'000U * test::answer().size());
    BOOST_TEST(report.threads.size() == threads);
    BOOST_TEST((report.status_codes == std::vector<std::pair<int, std::uint64_t>>{{200, 1'000}}));
    check_rows(report);
  }
}

BOOST_AUTO_TEST_CASE(closed_loop_by_time) {
  ScriptedServer server(test::answer_all);
  const Report report = run(plan_for(server, 4));
  BOOST_TEST((report.outcome == Outcome::completed));
  BOOST_TEST(report.counts.completed > 0U);
  BOOST_TEST(report.counts.failed() == 0U);
  BOOST_TEST((report.duration == 300ms));
  BOOST_TEST((report.elapsed >= report.duration));
  check_rows(report);
}

BOOST_AUTO_TEST_CASE(open_loop_keeps_its_schedule) {
  for (const std::uint32_t threads : {1U, 4U}) {
    ScriptedServer server(test::answer_all);
    Plan plan = plan_for(server, threads);
    plan.rate_rps = 500;
    plan.warmup = 100ms;
    const auto before = std::chrono::system_clock::now().time_since_epoch();
    const Report report = run(plan);
    BOOST_TEST(report.warmup_counts.scheduled == 50U);
    BOOST_TEST(report.counts.scheduled == 150U);
    BOOST_TEST(report.counts.sent == report.counts.completed);
    BOOST_TEST(report.counts.sent + report.counts.unsent == 150U);
    BOOST_TEST(report.send_lag.count() == report.counts.sent);
    BOOST_TEST(report.latency.count() == report.counts.completed);
    // The clock of the wall tells when what is measured began.
    const auto started = Duration(report.started_unix_ns) - Duration(before);
    BOOST_TEST((started >= 90ms));
    BOOST_TEST((started < 5s));
    check_rows(report);
  }
}

BOOST_AUTO_TEST_CASE(stopped_from_another_thread) {
  for (const std::uint32_t threads : {1U, 4U}) {
    for (const bool open_loop : {false, true}) {
      ScriptedServer server(test::answer_all);
      Plan plan = plan_for(server, threads);
      plan.duration = 1h;
      if (open_loop) plan.rate_rps = 500;
      Engine engine(plan);
      engine.start();
      std::thread stopper([&engine] {
        comes_true([&] { return engine.progress().counts.completed > 0; });
        engine.stop();
      });
      const Report report = finished(engine);
      stopper.join();
      BOOST_TEST((report.outcome == Outcome::stopped));
      BOOST_TEST(report.counts.completed > 0U);
      BOOST_TEST((report.duration < 10s));
      BOOST_TEST((engine.progress().phase == Phase::done));
      check_rows(report);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_drain_bound_ends_the_wait_for_a_silent_target) {
  std::atomic<unsigned> asked = 0;
  ScriptedServer server([&asked](ScriptedServer::Peer& peer) {
    peer.read_request();
    ++asked;
    peer.wait_for_close();
  });
  for (const auto drain : {Duration(0), Duration(50ms)}) {
    asked = 0;
    Plan plan = plan_for(server, 2);
    plan.duration = 1h;
    plan.timeout = 1h;
    Engine engine(plan);
    engine.start();
    BOOST_TEST_REQUIRE(comes_true([&] { return asked == 8; }));
    engine.stop(drain);
    const Report report = finished(engine);
    BOOST_TEST((report.outcome == Outcome::stopped));
    BOOST_TEST(report.counts.sent == 8U);
    BOOST_TEST(report.counts.timeout == 8U);
  }
}

BOOST_AUTO_TEST_CASE(a_drain_of_any_length_is_one) {
  std::atomic<unsigned> asked = 0;
  ScriptedServer server([&asked](ScriptedServer::Peer& peer) {
    while (!peer.read_request().empty()) {
      ++asked;
      std::this_thread::sleep_for(150ms);
      peer.write(test::answer());
    }
  });
  Plan plan = plan_for(server, 1);
  plan.duration = 1h;
  Engine engine(plan);
  engine.start();
  BOOST_TEST_REQUIRE(comes_true([&] { return asked >= 8; }));
  engine.stop(Duration::max());
  const Report report = finished(engine);
  BOOST_TEST(report.counts.completed >= 8U);
  BOOST_TEST(report.counts.completed == report.counts.sent);
}

BOOST_AUTO_TEST_CASE(waiting_has_a_bound_and_needs_none) {
  ScriptedServer server(test::answer_all);
  Engine engine(plan_for(server, 1));
  BOOST_TEST(!engine.wait_for(0ns));
  engine.start();
  BOOST_TEST(!engine.wait_for(1ms));
  BOOST_TEST(engine.wait_for(Duration::max()));
  BOOST_TEST(engine.wait_for(0ns));
}

BOOST_AUTO_TEST_CASE(destroyed_at_any_moment) {
  ScriptedServer server(test::answer_all);
  {
    const Engine never_started(plan_for(server, 4));
  }
  for (const Duration after : {0ms, 1ms, 5ms, 50ms}) {
    Plan plan = plan_for(server, 4);
    plan.duration = 1h;
    plan.timeout = 1h;
    const base::TimePoint before = base::now();
    {
      Engine engine(plan);
      engine.start();
      std::this_thread::sleep_for(after);
    }
    BOOST_TEST((base::now() - before < 10s));
  }
}

BOOST_AUTO_TEST_CASE(stopped_before_it_was_started) {
  ScriptedServer server(test::answer_all);
  Engine engine(plan_for(server, 2));
  engine.stop();
  engine.start();
  const Report report = finished(engine);
  BOOST_TEST((report.outcome == Outcome::stopped));
  BOOST_TEST((report.counts == Counts{}));
}

BOOST_AUTO_TEST_CASE(unreachable) {
  for (const std::uint32_t threads : {1U, 4U}) {
    Plan plan;
    plan.url = "http://127.0.0.1:" + std::to_string(test::free_port()) + "/";
    plan.duration = 1h;
    plan.threads = threads;
    const Report report = run(plan);
    BOOST_TEST((report.outcome == Outcome::unreachable));
    BOOST_TEST(report.reason == "Connection refused");
    BOOST_TEST((report.counts == Counts{}));
    BOOST_TEST((report.duration == 0ns));
    BOOST_TEST(report.intervals.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_target_that_goes_away_and_comes_back) {
  for (const std::uint32_t threads : {1U, 4U}) {
    ScriptedServer server(test::answer_all);
    Plan plan = plan_for(server, threads);
    plan.rate_rps = 1'000;
    plan.duration = 1h;
    Engine engine(plan);
    engine.start();
    const auto counts = [&engine] { return engine.progress().counts; };
    BOOST_TEST_REQUIRE(comes_true([&] { return counts().completed > 100; }));
    server.close();
    BOOST_TEST_REQUIRE(comes_true([&] { return counts().connect > 0; }));
    server.open();
    // Each of the 8 connections is open once more.
    BOOST_TEST_REQUIRE(comes_true([&] { return server.accepted() >= 16; }));
    const std::uint64_t completed = counts().completed;
    BOOST_TEST_REQUIRE(comes_true([&] { return counts().completed >= completed + 500; }));
    engine.stop();
    const Report report = finished(engine);
    BOOST_TEST((report.outcome == Outcome::stopped));
    BOOST_TEST(report.connects >= 16U);
    check_rows(report);
  }
}

BOOST_AUTO_TEST_CASE(hostile_targets_are_counted_by_kind) {
  struct Case {
    const char* what;
    ScriptedServer::Script script;
    std::uint64_t Counts::* kind;
  };
  for (const Case& one : {
           Case{"garbage",
                [](ScriptedServer::Peer& peer) {
                  peer.read_request();
                  peer.write("SSH-2.0-OpenSSH_9.2\r\n");
                  peer.wait_for_close();
                },
                &Counts::protocol},
           Case{"closes unanswered", [](ScriptedServer::Peer& peer) { peer.read_request(); },
                &Counts::reset},
           Case{"says nothing", [](ScriptedServer::Peer& peer) { peer.wait_for_close(); },
                &Counts::timeout},
           Case{"not found",
                [](ScriptedServer::Peer& peer) {
                  while (!peer.read_request().empty() &&
                         peer.write("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")) {
                  }
                },
                &Counts::status},
       }) {
    BOOST_TEST_CONTEXT(one.what) {
      ScriptedServer server(one.script);
      Plan plan = plan_for(server, 2);
      plan.duration.reset();
      plan.requests = 20;
      plan.timeout = one.kind == &Counts::timeout ? 50ms : 5s;
      const Report report = run(plan);
      BOOST_TEST((report.outcome == Outcome::completed));
      BOOST_TEST(report.counts.sent == 20U);
      BOOST_TEST((report.counts.*one.kind) == 20U);
      check_rows(report);
    }
  }
}

BOOST_AUTO_TEST_CASE(progress_may_be_asked_for_at_any_time) {
  ScriptedServer server(test::answer_all);
  Plan plan = plan_for(server, 2);
  plan.rate_rps = 200;
  plan.duration = 600ms;
  Engine engine(plan);
  BOOST_TEST((engine.progress().phase == Phase::connecting));
  engine.start();
  std::uint64_t completed = 0;
  bool seen_running = false;
  while (!engine.wait_for(5ms)) {
    const load::Progress progress = engine.progress();
    BOOST_TEST(progress.counts.completed >= completed);
    completed = progress.counts.completed;
    if (progress.phase != Phase::running) continue;
    seen_running = true;
    BOOST_TEST_REQUIRE(progress.remaining.has_value());
    BOOST_TEST((*progress.remaining <= 600ms));
  }
  BOOST_TEST(seen_running);
  const load::Progress last = engine.progress();
  BOOST_TEST((last.phase == Phase::done));
  BOOST_TEST((last.counts == engine.report().counts));
}

BOOST_AUTO_TEST_CASE(two_at_once) {
  ScriptedServer server(test::answer_all);
  Plan plan = plan_for(server, 2);
  plan.duration.reset();
  plan.requests = 500;
  Engine one(plan);
  Engine other(plan);
  one.start();
  other.start();
  BOOST_TEST(finished(one).counts.completed == 500U);
  BOOST_TEST(finished(other).counts.completed == 500U);
}

BOOST_AUTO_TEST_SUITE_END()
