#include "counter/care_text.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <system_error>

#include "counter/user_id.hpp"
#include "loadcore/base/error.hpp"

namespace loadcore::counter {
namespace {

constexpr std::string_view blanks = " \t";

/// One line's parts, taken off its front one by one.
class Line {
 public:
  Line(std::string_view text, std::uint64_t number) : left_(text), number_(number) {}

  [[noreturn]] void refuse(const std::string& sentence) const {
    throw base::PlanError("line " + std::to_string(number_), sentence);
  }

  bool at_end() const noexcept { return left_.empty(); }
  void skip_blanks() noexcept {
    left_.remove_prefix(std::min(left_.find_first_not_of(blanks), left_.size()));
  }
  bool take(char byte) noexcept {
    if (!left_.starts_with(byte)) return false;
    left_.remove_prefix(1);
    return true;
  }
  std::string_view upto_any(std::string_view ends) noexcept {
    const std::string_view text = left_.substr(0, left_.find_first_of(ends));
    left_.remove_prefix(text.size());
    return text;
  }

  std::string_view user_of(std::string_view text) const {
    if (!is_user_id(text)) refuse("userId is not 1 to 128 characters of A-Z a-z 0-9 . _ ~ -");
    return text;
  }
  std::int64_t likes_of(std::string_view text) const {
    std::int64_t likes = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), likes);
    if (error != std::errc() || end != text.data() + text.size() || likes < 1) {
      refuse("likes is not a whole number from 1 to 9223372036854775807");
    }
    return likes;
  }

 private:
  std::string_view left_;
  const std::uint64_t number_;
};

/// One field, in quotes or not: neither an id nor a number holds one.
std::string_view csv_field(Line& line) {
  if (!line.take('"')) return line.upto_any(",");
  const std::string_view text = line.upto_any("\"");
  if (!line.take('"')) line.refuse("a quote is not closed");
  return text;
}

UserLikes parse_csv(Line line) {
  UserLikes parsed;
  parsed.user = line.user_of(csv_field(line));
  if (!line.take(',')) line.refuse("there is no comma; write userId,likes");
  parsed.likes = line.likes_of(csv_field(line));
  if (!line.at_end()) line.refuse("there is more than userId,likes");
  return parsed;
}

std::string quoted(std::string_view text) { return std::string("\"").append(text).append("\""); }

std::string_view json_string(Line& line) {
  if (!line.take('"'))
    line.refuse("a string was expected; write {\"userId\": \"…\", \"likes\": …}");
  const std::string_view text = line.upto_any("\"\\");
  if (!line.take('"')) line.refuse("a string is not closed, or has an escape, which no id needs");
  return text;
}

UserLikes parse_json(Line line) {
  std::optional<std::string_view> user;
  std::optional<std::int64_t> likes;
  line.skip_blanks();
  if (!line.take('{')) line.refuse("not a JSON object");
  do {
    line.skip_blanks();
    const std::string_view name = json_string(line);
    line.skip_blanks();
    if (!line.take(':')) line.refuse("there is no colon behind " + quoted(name));
    line.skip_blanks();
    if (name == "userId" && !user) {
      user = line.user_of(json_string(line));
    } else if (name == "likes" && !likes) {
      likes = line.likes_of(line.upto_any(" \t,}"));
    } else {
      line.refuse(quoted(name) + " does not belong there; give userId and likes");
    }
    line.skip_blanks();
  } while (line.take(','));
  if (!line.take('}')) line.refuse("the object is not closed");
  line.skip_blanks();
  if (!line.at_end()) line.refuse("there is something behind the object");
  if (!user || !likes) line.refuse("userId and likes are both needed");
  return {*user, *likes};
}

}  // namespace

void put_line(std::string& out, LikesFormat format, std::string_view user, std::int64_t total) {
  if (format == LikesFormat::csv) {
    out.append(user).append(",").append(std::to_string(total)).append("\n");
  } else {
    out.append(R"({"userId": ")").append(user).append(R"(", "likes": )");
    out.append(std::to_string(total)).append("}\n");
  }
}

UserLikes parse_line(std::string_view line, LikesFormat format, std::uint64_t number) {
  return format == LikesFormat::csv ? parse_csv({line, number}) : parse_json({line, number});
}

}  // namespace loadcore::counter
