#include "counter/exposition.hpp"

#include <charconv>

#include "loadcore/base/assert.hpp"

namespace loadcore::counter {
namespace {

std::string_view word(Exposition::Kind kind) noexcept {
  switch (kind) {
    case Exposition::Kind::counter:
      return "counter";
    case Exposition::Kind::gauge:
      return "gauge";
    case Exposition::Kind::histogram:
      return "histogram";
  }
  return {};
}

/// A double in the fewest characters that read back as the same.
std::string_view shortest(double value, std::span<char> into) noexcept {
  const auto end = std::to_chars(into.data(), into.data() + into.size(), value).ptr;
  return {into.data(), static_cast<std::size_t>(end - into.data())};
}

void append_escaped(std::string& to, std::string_view value) {
  for (const char byte : value) {
    if (byte == '\n') {
      to += "\\n";
    } else {
      if (byte == '"' || byte == '\\') to += '\\';
      to += byte;
    }
  }
}

}  // namespace

void Exposition::family(std::string_view name, Kind kind, std::string_view help) {
  name_ = name;
  text_.append("# HELP ").append(name).append(" ").append(help);
  text_.append("\n# TYPE ").append(name).append(" ").append(word(kind)).append("\n");
}

void Exposition::sample(std::uint64_t value, Labels labels) {
  name_of({}, labels, {});
  number(value);
}

void Exposition::sample(double value, Labels labels) {
  name_of({}, labels, {});
  number(value);
}

void Exposition::histogram(std::span<const double> bounds, std::span<const std::uint64_t> counts,
                           double sum, Labels labels) {
  LOADCORE_ASSERT(counts.size() == bounds.size() + 1);
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    count += counts[i];
    char bytes[32];
    name_of("_bucket", labels, i < bounds.size() ? shortest(bounds[i], bytes) : "+Inf");
    number(count);
  }
  name_of("_sum", labels, {});
  number(sum);
  name_of("_count", labels, {});
  number(count);
}

void Exposition::name_of(std::string_view suffix, Labels labels, std::string_view bound) {
  text_.append(name_).append(suffix);
  char before = '{';
  const auto label = [this, &before](std::string_view name, std::string_view value) {
    text_ += std::exchange(before, ',');
    text_.append(name).append("=\"");
    append_escaped(text_, value);
    text_ += '"';
  };
  for (const auto& [name, value] : labels) label(name, value);
  if (!bound.empty()) label("le", bound);
  text_ += before == ',' ? "} " : " ";
}

void Exposition::number(std::uint64_t value) { text_.append(std::to_string(value)).append("\n"); }

void Exposition::number(double value) {
  char bytes[32];
  text_.append(shortest(value, bytes)).append("\n");
}

}  // namespace loadcore::counter
