#include "http/address_source.hpp"

#include <algorithm>
#include <system_error>
#include <thread>
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
  if (!look_up_) return;
  const std::scoped_lock lock(look_up_->mutex);
  look_up_->found = nullptr;
}

bool AddressSource::fresh(base::TimePoint now) const noexcept {
  return constant_ || (!addresses_.empty() && now - taken_at_ < answer_age_max);
}

void AddressSource::look_up() {
  look_up_ = std::make_shared<LookUp>();
  look_up_->found = found_;
  const auto work = [look_up = look_up_, host = url_.host, port = url_.port] {
    std::vector<net::Endpoint> addresses;
    std::string error;
    try {
      addresses = net::resolve(host, port, net::Purpose::connect);
    } catch (const base::RunError& thrown) {
      error = thrown.what();
    }
    const std::scoped_lock lock(look_up->mutex);
    look_up->addresses = std::move(addresses);
    look_up->error = std::move(error);
    look_up->done = true;
    if (look_up->found) look_up->found();
  };
  try {
    std::thread(work).detach();
  } catch (const std::system_error&) {
    work();  // no thread to be had: then everything waits for the name
  }
}

bool AddressSource::collect(base::TimePoint now) {
  if (!look_up_) return false;
  {
    const std::scoped_lock lock(look_up_->mutex);
    if (!look_up_->done) return false;
    addresses_ = std::move(look_up_->addresses);
    error_ = std::move(look_up_->error);
  }
  look_up_ = nullptr;
  taken_at_ = now;
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
