#include "loadcore/load/plan.hpp"

#include <sys/resource.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>
#include <limits>
#include <string_view>

#include "loadcore/base/error.hpp"
#include "loadcore/load/engine.hpp"

using loadcore::base::Duration;
using loadcore::base::PlanError;
using loadcore::load::Engine;
using loadcore::load::Plan;
using loadcore::load::validate;
using namespace std::chrono_literals;

namespace {

using Change = std::function<void(Plan&)>;

Plan sound() {
  Plan plan;
  plan.url = "http://127.0.0.1:1/";
  plan.duration = 1s;
  return plan;
}

void check_refused(const char* field, std::string_view part, const Change& change) {
  BOOST_TEST_CONTEXT(field << ": " << part) {
    Plan plan = sound();
    change(plan);
    try {
      validate(plan);
      BOOST_ERROR("was taken");
    } catch (const PlanError& error) {
      const std::string_view sentence = error.what();
      BOOST_TEST(error.field() == field);
      BOOST_TEST_CONTEXT(sentence) { BOOST_TEST(sentence.find(part) != sentence.npos); }
      BOOST_TEST(sentence.find('\n') == sentence.npos);
      BOOST_TEST(!sentence.ends_with('.'));
    }
  }
}

void check_taken(const Change& change) {
  Plan plan = sound();
  change(plan);
  BOOST_CHECK_NO_THROW(validate(plan));
}

constexpr Duration year = std::chrono::hours(24 * 366);

/// Puts the limit on open files back when the test is over.
class FileLimit {
 public:
  FileLimit() { ::getrlimit(RLIMIT_NOFILE, &before_); }
  ~FileLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;

  void set_soft(rlim_t files) {
    const rlimit limit{files, before_.rlim_max};
    BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }
  rlim_t hard() const { return before_.rlim_max; }
  static rlim_t soft() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
  }

 private:
  rlimit before_{};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(plan)

BOOST_AUTO_TEST_CASE(request) {
  check_refused("url", "", [](Plan& plan) { plan.url = "no url"; });
  check_refused("url", "", [](Plan& plan) { plan.url = ""; });
  check_refused("url", "", [](Plan& plan) { plan.url = "gopher://a/"; });
  check_refused("method", "", [](Plan& plan) { plan.method = "GE T"; });
  check_refused("headers", "newline", [](Plan& plan) { plan.headers = {{"A", "b\nc"}}; });
}

BOOST_AUTO_TEST_CASE(length) {
  check_refused("duration", "either", [](Plan& plan) { plan.duration.reset(); });
  check_refused("duration", "either", [](Plan& plan) { plan.requests = 1; });
  check_refused("duration", "more than 0", [](Plan& plan) { plan.duration = 0ns; });
  check_refused("duration", "more than 0", [](Plan& plan) { plan.duration = -1ns; });
  check_refused("duration", "year", [](Plan& plan) { plan.duration = year + 1ns; });
  check_taken([](Plan& plan) { plan.duration = 1ns; });
  check_taken([](Plan& plan) { plan.duration = year; });

  const auto requests = [](std::uint64_t count) {
    return [count](Plan& plan) {
      plan.duration.reset();
      plan.requests = count;
    };
  };
  check_refused("requests", "from 1", requests(0));
  check_refused("requests", "1e15", requests(1'000'000'000'000'001));
  check_taken(requests(1));
  check_taken(requests(1'000'000'000'000'000));
  check_refused("requests", "year", [](Plan& plan) {
    plan.duration.reset();
    plan.requests = 31'622'401;
    plan.rate_rps = 1;
  });
  check_taken([](Plan& plan) {
    plan.duration.reset();
    plan.requests = 31'622'400;
    plan.rate_rps = 1;
  });
}

BOOST_AUTO_TEST_CASE(spans) {
  struct Span {
    const char* field;
    Duration Plan::* member;
    Duration least;
  };
  for (const Span& span : {Span{"warmup", &Plan::warmup, 0ns},
                           {"think_time", &Plan::think_time, 0ns},
                           {"timeout", &Plan::timeout, 1ns},
                           {"connect_timeout", &Plan::connect_timeout, 1ns},
                           {"interval", &Plan::interval, 1ms}}) {
    const auto set = [&span](Duration value) {
      return [&span, value](Plan& plan) { plan.*span.member = value; };
    };
    check_refused(span.field, span.field, set(span.least - 1ns));
    check_refused(span.field, span.field, set(Duration::min()));
    check_refused(span.field, "a year", set(year + 1ns));
    check_refused(span.field, "a year", set(Duration::max()));
    check_taken(set(span.least));
    check_taken(set(year));
  }
}

BOOST_AUTO_TEST_CASE(rates) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const double rate : {0.0, -0.0, -1.0, 1.1e8, infinity, -infinity, std::nan("")}) {
    check_refused("rate", "rate must be", [rate](Plan& plan) { plan.rate_rps = rate; });
  }
  // So low that the second request would be beyond what the clock can say.
  for (const double rate : {1e-12, 1e-300, std::numeric_limits<double>::denorm_min(), 3.1e-8}) {
    check_refused("rate", "a year", [rate](Plan& plan) { plan.rate_rps = rate; });
  }
  for (const double rate : {1e8, 1.0 / 3, 3.2e-8}) {
    check_taken([rate](Plan& plan) { plan.rate_rps = rate; });
  }
}

BOOST_AUTO_TEST_CASE(one_loop_or_the_other) {
  check_refused("drop_after", "needs a rate", [](Plan& plan) { plan.drop_after = 1s; });
  check_refused("drop_after", "0 or more", [](Plan& plan) {
    plan.rate_rps = 1;
    plan.drop_after = -1ns;
  });
  check_refused("drop_after", "a year", [](Plan& plan) {
    plan.rate_rps = 1;
    plan.drop_after = year + 1ns;
  });
  check_refused("think_time", "closed loop", [](Plan& plan) {
    plan.rate_rps = 1;
    plan.think_time = 1ns;
  });
  check_taken([](Plan& plan) {
    plan.rate_rps = 1;
    plan.drop_after = 0ns;
  });
}

BOOST_AUTO_TEST_CASE(connections_and_threads) {
  check_refused("connections", "from 1", [](Plan& plan) { plan.connections = 0; });
  check_refused("connections", "1,000,000", [](Plan& plan) { plan.connections = 1'000'001; });
  check_refused("threads", "at least 1", [](Plan& plan) { plan.threads = 0; });
  check_refused("threads", "no more than", [](Plan& plan) {
    plan.connections = 3;
    plan.threads = 4;
  });
  check_refused("threads", "at most 1,024", [](Plan& plan) {
    plan.connections = 2000;
    plan.threads = 1025;
  });
  check_taken([](Plan& plan) {
    plan.connections = 4;
    plan.threads = 4;
  });
}

BOOST_AUTO_TEST_CASE(file_descriptors) {
  FileLimit limit;
  limit.set_soft(100);
  check_taken([](Plan& plan) { plan.connections = 20; });
  BOOST_TEST(FileLimit::soft() == 100U);
  // The soft limit is ours to raise.
  check_taken([](Plan& plan) { plan.connections = 200; });
  BOOST_TEST(FileLimit::soft() > 200U);
  BOOST_TEST(FileLimit::soft() <= limit.hard());
  if (limit.hard() < 1'000'000) {
    const auto too_many = static_cast<std::uint32_t>(limit.hard());
    check_refused("connections", "ulimit", [=](Plan& plan) { plan.connections = too_many; });
  }
}

BOOST_AUTO_TEST_CASE(an_engine_checks_its_plan) {
  Plan plan = sound();
  plan.rate_rps = 0;
  BOOST_CHECK_THROW(Engine(std::move(plan)), PlanError);
}

BOOST_AUTO_TEST_SUITE_END()
