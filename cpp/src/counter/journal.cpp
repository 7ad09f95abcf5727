#include "counter/journal.hpp"

#include <cerrno>
#include <utility>

#include "counter/log_files.hpp"
#include "counter/write_all.hpp"
#include "loadcore/base/assert.hpp"
#include "loadcore/base/random.hpp"

namespace loadcore::counter {
namespace {

constexpr const char* unfinished_name = "log.new";

bool is_lack_of_room(int error) noexcept {
  return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

}  // namespace

Journal::Journal(Disk& disk, bool sync, std::uint64_t next_sequence)
    : disk_(disk), sync_(sync), epoch_(base::random_number()), next_sequence_(next_sequence) {}

int Journal::rotate(std::int64_t unix_ms) {
  if (failed_) return error_;
  if (segment_ != nullptr && segment_bytes_ == SegmentHeader::bytes) return 0;
  if (segment_ != nullptr) {
    // Only the last segment may have an end that a loss of power takes away; and half a frame that
    // there was no room for, cut off again, may still be on the disk.
    if (const int error = sync(); error != 0) return error;
  }
  SegmentHeader header;
  header.salt = base::random_number();
  header.first_sequence = next_sequence_;
  header.epoch = epoch_;
  header.created_unix_ms = unix_ms;
  const std::string bytes = header.encode();

  auto created = disk_.create(unfinished_name);
  if (created.error != 0) return created.error;
  // The header is safe before the file has its name, and the name before there is a frame, so that
  // recovery never meets frames it has no salt for. In every mode: it is once a segment.
  if (const int error = write_all(*created.file, 0, bytes); error != 0) return error;
  if (const int error = created.file->sync(); error != 0) return error;
  if (const int error = disk_.rename(unfinished_name, segment_name(next_sequence_)); error != 0) {
    if (!is_lack_of_room(error)) give_up(error);
    return error;
  }
  // Once the new name may be there, no frame may go to the old segment, which ends where it begins.
  if (const int error = disk_.sync_directory(); error != 0) {
    give_up(error);
    return error;
  }
  segment_ = std::move(created.file);
  segment_salt_ = header.salt;
  segment_bytes_ = bytes.size();
  segment_first_sequence_ = next_sequence_;
  return 0;
}

Journal::Appended Journal::append(FrameBuilder& builder, std::int64_t unix_ms) {
  LOADCORE_ASSERT(segment_ != nullptr && !builder.empty() &&
                  builder.payload_bytes() <= frame_payload_bytes_max);
  if (failed_) return Appended::failed;
  const std::string_view frame = builder.finish(segment_salt_, next_sequence_, unix_ms);
  if (const int error = write_all(*segment_, segment_bytes_, frame); error != 0) {
    if (!is_lack_of_room(error)) return give_up(error);
    // What did get in is no frame; the next one overwrites it. Cutting it off keeps the file sound
    // for whoever reads it meanwhile.
    if (const int again = segment_->truncate(segment_bytes_); again != 0) return give_up(again);
    error_ = error;
    return Appended::refused;
  }
  if (sync_) {
    // After an error the kernel may have dropped the pages and call the next sync a success
    // (Rebello et al., "Can Applications Recover from fsync Failures?", ATC 2020): never again.
    if (const int error = segment_->sync(); error != 0) return give_up(error);
  }
  segment_bytes_ += frame.size();
  ++next_sequence_;
  return Appended::kept;
}

int Journal::sync() noexcept {
  if (failed_) return error_;
  const int error = segment_->sync();
  if (error != 0) give_up(error);
  return error;
}

Journal::Appended Journal::give_up(int error) noexcept {
  failed_ = true;
  error_ = error;
  return Appended::failed;
}

}  // namespace loadcore::counter
