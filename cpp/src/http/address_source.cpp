#include "http/address_source.hpp"

#include <algorithm>
#include <boost/asio/local/stream_protocol.hpp>

namespace loadcore::http {
namespace {

constexpr auto answer_age_max = std::chrono::seconds(1);

}  // namespace

AddressSource::AddressSource(boost::asio::io_context& io, const Url& url)
    : url_(url), resolver_(io) {
  if (!url.unix_path.empty()) {
    addresses_ = {boost::asio::local::stream_protocol::endpoint(url.unix_path)};
  } else {
    boost::system::error_code not_literal;
    const auto address = boost::asio::ip::make_address(url.host, not_literal);
    if (!not_literal) addresses_ = {boost::asio::ip::tcp::endpoint(address, url.port)};
  }
  constant_ = !addresses_.empty();
  preferred_ = addresses_.size();
}

bool AddressSource::fresh(base::TimePoint now) const noexcept {
  return constant_ || (!addresses_.empty() && now - taken_at_ < answer_age_max);
}

const SocketAddress& AddressSource::at(std::size_t first, std::size_t attempt) const noexcept {
  // Addresses may have changed between attempts; any that is there is a fair next one.
  const std::size_t attempt_in_range = attempt % addresses_.size();
  if (attempt_in_range < preferred_) return addresses_[(first + attempt_in_range) % preferred_];
  return addresses_[attempt_in_range];
}

void AddressSource::take(const boost::system::error_code& error,
                         const boost::asio::ip::tcp::resolver::results_type& found) {
  looking_up_ = false;
  error_ = error;
  taken_at_ = base::now();
  addresses_.clear();
  preferred_ = 0;
  if (error) return;
  for (const auto& entry : found) addresses_.emplace_back(entry.endpoint());
  const int family = addresses_.front().protocol().family();
  const auto rest = std::stable_partition(
      addresses_.begin(), addresses_.end(),
      [family](const SocketAddress& address) { return address.protocol().family() == family; });
  preferred_ = static_cast<std::size_t>(rest - addresses_.begin());
}

}  // namespace loadcore::http
