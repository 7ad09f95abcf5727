#include "http/address_source.hpp"

#include <algorithm>
#include <utility>

#include "loadcore/base/error.hpp"
#include "loadcore/net/resolve.hpp"

namespace loadcore::http {
namespace {

constexpr auto answer_age_max = std::chrono::seconds(1);

}  // namespace

AddressSource::AddressSource(const Url& url, std::function<void()> found)
    : url_(url), found_(std::move(found)) {
  const auto literal = url.unix_path.empty() ? net::Endpoint::from_address(url.host, url.port)
                                             : net::Endpoint::from_path(url.unix_path);
  if (!literal) return;
  addresses_ = {*literal};
  preferred_ = 1;
  constant_ = true;
}

AddressSource::~AddressSource() {
  if (look_up_thread_.joinable()) look_up_thread_.join();
}

bool AddressSource::fresh(base::TimePoint now) const noexcept {
  return constant_ || (!addresses_.empty() && now - taken_at_ < answer_age_max);
}

void AddressSource::look_up() {
  if (look_up_thread_.joinable()) look_up_thread_.join();
  looking_up_ = true;
  look_up_thread_ = std::thread([this] {
    Found found;
    try {
      found.addresses = net::resolve(url_.host, url_.port, net::Purpose::connect);
    } catch (const base::RunError& error) {
      found.error = error.what();
    }
    {
      const std::scoped_lock lock(mutex_);
      result_ = std::move(found);
    }
    found_();
  });
}

bool AddressSource::collect(base::TimePoint now) {
  std::optional<Found> found;
  {
    const std::scoped_lock lock(mutex_);
    found = std::exchange(result_, std::nullopt);
  }
  if (!found) return false;
  looking_up_ = false;
  taken_at_ = now;
  error_ = std::move(found->error);
  addresses_ = std::move(found->addresses);
  preferred_ = 0;
  if (addresses_.empty()) return true;
  const int family = addresses_.front().family();
  const auto rest =
      std::stable_partition(addresses_.begin(), addresses_.end(),
                            [family](const auto& address) { return address.family() == family; });
  preferred_ = static_cast<std::size_t>(rest - addresses_.begin());
  return true;
}

const net::Endpoint& AddressSource::at(std::size_t first, std::size_t attempt) const noexcept {
  // Addresses may have changed between attempts; any that is there is a fair next one.
  const std::size_t within = attempt % addresses_.size();
  if (within < preferred_) return addresses_[(first + within) % preferred_];
  return addresses_[within];
}

}  // namespace loadcore::http
