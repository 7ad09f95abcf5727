#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "loadcore/base/clock.hpp"
#include "loadcore/http/url.hpp"
#include "loadcore/net/endpoint.hpp"

namespace loadcore::http {

/// The addresses of one target. An address or a socket path in the URL is the answer itself; a name
/// is looked up again once the last answer is older than a second, so that connections made during
/// a run follow a balancer whose addresses change. For one thread.
class AddressSource {
 public:
  /// `found` is called on another thread when there is something to collect(), never once this is
  /// destroyed.
  AddressSource(const Url& url, std::function<void()> found);
  /// A look-up that is under way is left to itself: the system may take many seconds for it.
  ~AddressSource();
  AddressSource(const AddressSource&) = delete;
  AddressSource& operator=(const AddressSource&) = delete;

  /// Whether the addresses may be used as they stand.
  bool fresh(base::TimePoint now) const noexcept;
  bool looking_up() const noexcept { return look_up_ != nullptr; }

  /// Looks the name up in the background.
  void look_up();
  /// Takes the look-up's result over; false if there is none. Afterwards fresh(), or error().
  bool collect(base::TimePoint now);

  /// What to try, in order, for one more connection: successive calls begin at successive addresses
  /// of the family the system prefers, and the rest follow.
  std::size_t size() const noexcept { return addresses_.size(); }
  std::size_t first_choice() noexcept { return turn_++ % preferred_; }
  const net::Endpoint& at(std::size_t first, std::size_t attempt) const noexcept;

  /// Why the last look-up found nothing; empty if it did.
  const std::string& error() const noexcept { return error_; }

 private:
  /// What a look-up's thread shares with this.
  struct LookUp {
    std::mutex mutex;
    std::function<void()> found;  // empty: nobody waits for it any more
    std::vector<net::Endpoint> addresses;
    std::string error;
    bool done = false;
  };

  const Url url_;
  const std::function<void()> found_;
  std::vector<net::Endpoint> addresses_;  // the preferred family's first
  std::size_t preferred_ = 0;             // how many those are
  std::size_t turn_ = 0;
  bool constant_ = false;
  base::TimePoint taken_at_{};
  std::string error_;
  std::shared_ptr<LookUp> look_up_;  // under way
};

}  // namespace loadcore::http
