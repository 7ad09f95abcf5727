#include <limits>
#include <system_error>
#include <utility>

#include "counter/care_files.hpp"
#include "counter/care_text.hpp"
#include "counter/recovery.hpp"
#include "loadcore/base/error.hpp"

namespace loadcore::counter {
namespace {

constexpr std::size_t piece_bytes = 128 * 1024;

/// Far longer than any line that can be counted.
constexpr std::size_t line_bytes_max = 4096;

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

}  // namespace

// --- export

class LikesExport::Impl {
 public:
  Impl(std::unique_ptr<Disk> disk, LikesFormat format) : disk_(std::move(disk)), format_(format) {
    const LogFiles files = list_log_files(*disk_);
    if (files.snapshots.empty() && files.segments.empty()) {
      throw base::RunError("the data directory " + disk_->describe() +
                           " holds no likes: check its name");
    }
    recovered_ = recover(*disk_, care_keys({}));
    if (format_ == LikesFormat::csv) head_.append(csv_head).append("\n");
  }

  const Likes& likes() const noexcept { return *recovered_.likes; }

  std::string_view next() {
    piece_ = std::exchange(head_, {});
    while (piece_.size() < piece_bytes && shard_ < Likes::shard_count) {
      likes().read_shard(shard_++, [this](std::string_view user, std::int64_t total) {
        put_line(piece_, format_, user, total);
      });
    }
    return piece_;
  }

 private:
  std::unique_ptr<Disk> disk_;
  const LikesFormat format_;
  Recovered recovered_;
  std::uint32_t shard_ = 0;  // the next one
  std::string head_;
  std::string piece_;
};

LikesExport::LikesExport(std::unique_ptr<Disk> disk, LikesFormat format)
    : impl_(std::make_unique<Impl>(std::move(disk), format)) {}
LikesExport::~LikesExport() = default;
std::uint64_t LikesExport::users() const noexcept { return impl_->likes().users(); }
std::uint64_t LikesExport::likes() const { return impl_->likes().stats().likes; }
std::string_view LikesExport::next() { return impl_->next(); }

// --- import

class LikesImport::Impl {
 public:
  Impl(std::unique_ptr<Disk> disk, const CareOptions& options)
      : options_(options), disk_(std::move(disk)) {
    if (disk_ != nullptr) {
      state_ = recover(*disk_, care_keys(options_));
    } else {
      state_.likes = std::make_unique<Likes>(
          LikesOptions{.users_max = std::numeric_limits<std::uint64_t>::max()});
      state_.keys = std::make_unique<KeyWindow>(care_keys(options_));
    }
  }

  void take(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      const std::string_view part = text.substr(0, end);
      if (part.size() + line_.size() > line_bytes_max) {
        ++number_;
        refuse("is longer than any line with a userId and likes");
      }
      line_.append(part);
      if (end == std::string_view::npos) return;
      take_line();
      text.remove_prefix(end + 1);
    }
  }

  ImportReport finish(const std::function<std::unique_ptr<Disk>()>& make) {
    if (!line_.empty()) take_line();
    if (disk_ == nullptr) {
      disk_ = make();
      const LogFiles files = list_log_files(*disk_);
      if (!files.snapshots.empty() || !files.segments.empty()) {
        throw base::RunError("the data directory " + disk_->describe() +
                             " was made by another process meanwhile: import again");
      }
    }
    if (report_.users > 0) commit();
    const StoreStats stats = state_.likes->stats();
    report_.totals = {stats.users, stats.likes, state_.keys->size()};
    return report_;
  }

 private:
  [[noreturn]] void refuse(const std::string& sentence) const {
    throw base::PlanError("line " + std::to_string(number_), sentence);
  }

  void take_line() {
    ++number_;
    std::string_view line = line_;
    if (number_ == 1 && line.starts_with(byte_order_mark)) line.remove_prefix(3);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) count(line);
    line_.clear();
  }

  void count(std::string_view line) {
    if (!begun_) {
      begun_ = true;
      const std::size_t first = line.find_first_not_of(" \t");
      const bool object = first != std::string_view::npos && line[first] == '{';
      format_ = object ? LikesFormat::json_lines : LikesFormat::csv;
      if (line == csv_head) return;
      if (format_ == LikesFormat::csv) {
        refuse("neither the CSV header \"" + std::string(csv_head) + "\" nor a JSON object");
      }
    }
    const UserLikes parsed = parse_line(line, format_, number_);
    Addition addition{.user = parsed.user, .likes = parsed.likes};
    state_.likes->add({&addition, 1});
    if (addition.outcome != Outcome::counted) {
      refuse("with it " + std::string(parsed.user) + " would have more than 2^63 - 1 likes");
    }
    ++report_.users;
    report_.likes += static_cast<std::uint64_t>(parsed.likes);
  }

  /// The snapshot is what makes it count. It has a sequence of its own, so that the log before it
  /// is never taken for all there is; some log has to be there before it, and another behind it.
  void commit() {
    secure_end(*disk_, state_);
    const std::uint64_t sequence = state_.next_sequence;
    if (!state_.end) begin_segment(*disk_, sequence, options_.now_ms);
    write_state(*disk_, *state_.likes, *state_.keys, sequence, options_.now_ms);
    begin_segment(*disk_, sequence + 1, options_.now_ms);
  }

  const CareOptions options_;
  std::unique_ptr<Disk> disk_;
  Recovered state_;
  std::string line_;
  std::uint64_t number_ = 0;
  bool begun_ = false;
  LikesFormat format_ = LikesFormat::csv;
  ImportReport report_;
};

LikesImport::LikesImport(std::unique_ptr<Disk> disk, const CareOptions& options)
    : impl_(std::make_unique<Impl>(std::move(disk), options)) {}
LikesImport::~LikesImport() = default;
void LikesImport::take(std::string_view text) { impl_->take(text); }
ImportReport LikesImport::finish(const std::function<std::unique_ptr<Disk>()>& make) {
  return impl_->finish(make);
}

}  // namespace loadcore::counter
