#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace loadcore::counter {

/// Metrics in Prometheus' text exposition format, version 0.0.4. Begin a family, then add its
/// samples; names and labels' names are the caller's to get right, values of labels are escaped.
class Exposition {
 public:
  static constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

  enum class Kind : std::uint8_t { counter, gauge, histogram };
  using Labels = std::initializer_list<std::pair<std::string_view, std::string_view>>;

  /// `name` must stay valid until the next family.
  void family(std::string_view name, Kind kind, std::string_view help);
  void sample(std::uint64_t value, Labels labels = {});
  void sample(double value, Labels labels = {});
  /// One histogram: `counts` has one element more than `bounds`, the last for what is beyond, and
  /// counts each observation once; cumulative is what is written.
  void histogram(std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum,
                 Labels labels = {});

  /// A family with one sample and no labels.
  template <typename Value>
  void single(std::string_view name, Kind kind, std::string_view help, Value value) {
    family(name, kind, help);
    sample(value);
  }

  const std::string& text() const noexcept { return text_; }

 private:
  void name_of(std::string_view suffix, Labels labels, std::string_view bound);
  void number(std::uint64_t value);
  void number(double value);

  std::string text_;
  std::string_view name_;
};

}  // namespace loadcore::counter
