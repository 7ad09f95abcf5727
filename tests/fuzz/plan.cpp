// libFuzzer on a plan: whatever it says, it is refused with one sentence that names the field, or
// it is sound: the bytes that it sends are one request to a strict reader, and its schedule never
// goes backwards. The input is lines: url, method, a header's name and value, rate, and the body.

#include "loadcore/load/plan.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "load/schedule.hpp"
#include "loadcore/base/error.hpp"
#include "loadcore/http/request.hpp"
#include "loadcore/http/request_reader.hpp"
#include "loadcore/http/url.hpp"

using loadcore::http::Request;
using loadcore::http::RequestLimits;
using loadcore::http::RequestReader;
using loadcore::http::RequestSpec;
using loadcore::load::Plan;

namespace {

constexpr double year_s = 366.0 * 86'400;

void require(bool condition) {
  if (!condition) std::abort();
}

std::string_view take_line(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

/// Eight bytes as they are, so that every number comes up, NaN too; 100 where there are fewer.
double rate_of(std::string_view line) {
  double rate = 100;
  if (line.size() >= sizeof rate) std::memcpy(&rate, line.data(), sizeof rate);
  return rate;
}

Plan plan_of(std::string_view input) {
  Plan plan;
  plan.url = take_line(input);
  plan.method = take_line(input);
  const std::string_view name = take_line(input);
  const std::string_view value = take_line(input);
  if (!name.empty() || !value.empty()) plan.headers.emplace_back(name, value);
  const std::string_view rate = take_line(input);
  if (!rate.empty()) plan.rate_rps = rate_of(rate);
  plan.body = input;
  plan.duration = std::chrono::seconds(10);
  plan.connections = 1;
  return plan;
}

/// Headers that a service may object to as they stand.
bool is_objectionable(const Plan& plan) {
  for (const auto& [name, value] : plan.headers) {
    std::string lower;
    for (const char c : name) lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    if (lower == "host" || lower == "expect") return true;
  }
  return plan.method.size() > 32;
}

void check_request(const Plan& plan) {
  const RequestSpec spec{plan.method, loadcore::http::parse_url(plan.url), plan.headers, plan.body};
  std::string bytes = loadcore::http::serialize(spec);
  const RequestLimits limits{
      .head_bytes = bytes.size(), .target_bytes = bytes.size(), .body_bytes = bytes.size()};
  RequestReader reader(limits);
  std::size_t size = bytes.size();
  const auto state = reader.read(bytes.data(), size);
  if (state == RequestReader::State::refused && is_objectionable(plan)) return;
  require(state == RequestReader::State::complete);
  require(reader.consumed() == size);
  const Request request = reader.request(bytes.data());
  require(request.method == plan.method);
  require(request.target == spec.url.target);
  require(request.body == plan.body);
}

void check_schedule(double rate_rps) {
  const loadcore::load::Schedule schedule(rate_rps);
  auto before = schedule.intended(0);
  for (const std::uint64_t index : std::array<std::uint64_t, 5>{1, 2, 3, 1000, 1'000'000}) {
    if (static_cast<double>(index) / rate_rps > year_s) break;  // no run gets there
    const auto at = schedule.intended(index);
    require(at >= before);
    before = at;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Plan plan = plan_of({reinterpret_cast<const char*>(data), size});
  try {
    loadcore::load::validate(plan);
  } catch (const loadcore::base::PlanError& error) {
    const std::string_view sentence = error.what();
    require(!error.field().empty() && !sentence.empty());
    require(sentence.find_first_of("\r\n") == std::string_view::npos);
    return 0;
  }
  check_request(plan);
  if (plan.rate_rps) check_schedule(*plan.rate_rps);
  return 0;
}
