#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "loadcore/counter/care.hpp"

namespace loadcore::counter {

inline constexpr std::string_view csv_head = "userId,likes";

/// Appends one user's line. An id's characters need no escape in either format.
void put_line(std::string& out, LikesFormat format, std::string_view user, std::int64_t total);

struct UserLikes {
  std::string_view user;
  std::int64_t likes = 0;
};

/// Takes one line apart, without its end; the view is into it. Throws base::PlanError, whose field
/// is "line <number>", where it is not a user id and 1 to 2^63 - 1 likes.
UserLikes parse_line(std::string_view line, LikesFormat format, std::uint64_t number);

}  // namespace loadcore::counter
