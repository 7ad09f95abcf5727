#pragma once

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <vector>

#include "loadcore/base/clock.hpp"
#include "loadcore/http/url.hpp"

namespace loadcore::http {

using SocketAddress = boost::asio::generic::stream_protocol::endpoint;

/// The addresses of one target. An address or a socket path in the URL is the answer itself; a name
/// is looked up again once the last answer is older than a second, so that connections made during
/// a run follow a balancer whose addresses change.
class AddressSource {
 public:
  AddressSource(boost::asio::io_context& io, const Url& url);

  /// Whether addresses() may be used as it stands.
  bool fresh(base::TimePoint now) const noexcept;
  bool looking_up() const noexcept { return looking_up_; }

  /// Looks the name up in the background and calls `done` on the io_context's thread.
  template <typename Done>
  void look_up(Done done) {
    looking_up_ = true;
    resolver_.async_resolve(
        url_.host, std::to_string(url_.port),
        [this, done](const boost::system::error_code& error,
                     const boost::asio::ip::tcp::resolver::results_type& found) {
          take(error, found);
          done();
        });
  }

  /// What to try, in order, for one more connection: successive calls begin at successive addresses
  /// of the family the system prefers, and the rest follow. Empty if the look-up failed.
  std::size_t size() const noexcept { return addresses_.size(); }
  std::size_t first_choice() noexcept { return preferred_ == 0 ? 0 : turn_++ % preferred_; }
  const SocketAddress& at(std::size_t first, std::size_t attempt) const noexcept;

  const boost::system::error_code& error() const noexcept { return error_; }

 private:
  void take(const boost::system::error_code& error,
            const boost::asio::ip::tcp::resolver::results_type& found);

  Url url_;
  boost::asio::ip::tcp::resolver resolver_;
  std::vector<SocketAddress> addresses_;  // the preferred family's first
  std::size_t preferred_ = 0;             // how many those are
  std::size_t turn_ = 0;
  bool constant_ = false;
  bool looking_up_ = false;
  base::TimePoint taken_at_{};
  boost::system::error_code error_;
};

}  // namespace loadcore::http
