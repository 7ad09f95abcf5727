#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace loadcore::counter {

/// SipHash (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012) of `bytes` under a
/// 128-bit key. Whoever does not know the key cannot choose keys that collide, so user ids made up
/// by an attacker do not turn a table into a list. 1 and 3 rounds are enough for that.
template <int compression_rounds = 1, int finalization_rounds = 3>
class SipHash {
 public:
  constexpr SipHash(std::uint64_t key_low, std::uint64_t key_high) noexcept
      : key_low_(key_low), key_high_(key_high) {}

  std::uint64_t operator()(std::string_view bytes) const noexcept {
    State state{key_low_ ^ 0x736f6d6570736575, key_high_ ^ 0x646f72616e646f6d,
                key_low_ ^ 0x6c7967656e657261, key_high_ ^ 0x7465646279746573};
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    for (; left >= 8; left -= 8, at += 8) state.take(load(at, 8));
    const std::uint64_t last = load(at, left) | static_cast<std::uint64_t>(bytes.size()) << 56;
    state.take(last);
    state.v2 ^= 0xff;
    for (int i = 0; i < finalization_rounds; ++i) state.round();
    return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
  }

 private:
  struct State {
    std::uint64_t v0, v1, v2, v3;

    void take(std::uint64_t word) noexcept {
      v3 ^= word;
      for (int i = 0; i < compression_rounds; ++i) round();
      v0 ^= word;
    }
    void round() noexcept {
      v0 += v1;
      v2 += v3;
      v1 = std::rotl(v1, 13) ^ v0;
      v3 = std::rotl(v3, 16) ^ v2;
      v0 = std::rotl(v0, 32);
      v2 += v1;
      v0 += v3;
      v1 = std::rotl(v1, 17) ^ v2;
      v3 = std::rotl(v3, 21) ^ v0;
      v2 = std::rotl(v2, 32);
    }
  };

  /// Little-endian, whatever the processor.
  static std::uint64_t load(const char* at, std::size_t size) noexcept {
    std::uint64_t word = 0;
    if constexpr (std::endian::native == std::endian::little) {
      if (size > 0) std::memcpy(&word, at, size);
    } else {
      for (std::size_t i = 0; i < size; ++i) {
        word |= static_cast<std::uint64_t>(static_cast<unsigned char>(at[i])) << (8 * i);
      }
    }
    return word;
  }

  std::uint64_t key_low_;
  std::uint64_t key_high_;
};

}  // namespace loadcore::counter
