#include "reference.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

namespace loadcore::counter::simulated {

std::vector<Addition> additions(const Batch& batch) {
  std::vector<Addition> views;
  views.reserve(batch.size());
  for (const Like& like : batch) {
    views.push_back({.user = like.user, .likes = like.likes, .key = like.key});
  }
  return views;
}

Reference::Reference(const DurableOptions& options)
    : users_max_(options.users_max),
      key_age_ms_max_(options.key_age_ms_max),
      keys_max_(options.keys_max) {}

std::vector<Addition> Reference::add(const Batch& batch, std::int64_t now_ms) {
  std::vector<Addition> answers = additions(batch);
  std::vector<Key> made;
  for (Addition& addition : answers) decide(addition, made, now_ms);
  for (Key& key : made) {
    key.unix_ms = latest_ms_ = std::max(latest_ms_, now_ms);
    keys_.push_back(std::move(key));
  }
  return answers;
}

void Reference::decide(Addition& addition, std::vector<Key>& made, std::int64_t now_ms) {
  const std::string user(addition.user);
  const std::string key(addition.key);
  if (!key.empty()) {
    const Key* known = find(key, now_ms);
    for (const Key& own : made) {
      if (own.key == key) known = &own;
    }
    if (known != nullptr) {
      const bool same = known->user == user;
      addition.outcome = same ? Outcome::replayed : Outcome::key_conflict;
      addition.total = same ? known->total : 0;
      return;
    }
  }
  if (!totals_.contains(user) && totals_.size() >= users_max_) {
    addition.outcome = Outcome::full;
    return;
  }
  std::int64_t& total = totals_[user];
  if (addition.likes > std::numeric_limits<std::int64_t>::max() - total) {
    addition.outcome = Outcome::overflow;
    addition.total = total;
    return;
  }
  addition.total = total += addition.likes;
  if (!key.empty()) made.push_back({key, user, total, 0});
}

const Reference::Key* Reference::find(const std::string& key, std::int64_t now_ms) const {
  const std::size_t window = std::min<std::size_t>(keys_.size(), keys_max_);
  for (std::size_t i = 0; i < window; ++i) {
    const Key& known = keys_[keys_.size() - 1 - i];
    if (std::max(now_ms, latest_ms_) - known.unix_ms > key_age_ms_max_) return nullptr;
    if (known.key == key) return &known;
  }
  return nullptr;
}

std::int64_t Reference::total(const std::string& user) const {
  const auto found = totals_.find(user);
  return found == totals_.end() ? 0 : found->second;
}

std::string Reference::difference(const Recovered& recovered, std::int64_t now_ms) const {
  for (const auto& [user, total] : totals_) {
    const std::int64_t got = recovered.likes->get(user);
    if (got != total) {
      return user + " has " + std::to_string(got) + " of " + std::to_string(total);
    }
  }
  if (recovered.likes->stats().users != totals_.size()) {
    return std::to_string(recovered.likes->stats().users) + " users instead of " +
           std::to_string(totals_.size());
  }
  for (const Key& known : keys_) {
    const Key* expected = find(known.key, now_ms);
    const auto got = recovered.keys->find(known.key, now_ms);
    if ((expected != nullptr) != got.has_value()) {
      return "key " + known.key + (got ? " is remembered" : " is forgotten");
    }
    if (got && (got->user != expected->user || got->total != expected->total)) {
      return "key " + known.key + " answers " + std::to_string(got->total) + " instead of " +
             std::to_string(expected->total);
    }
  }
  std::string unknown;
  recovered.keys->read(0, SIZE_MAX, [&](const KeyWindow::Record& record) {
    const std::string key(record.key);
    if (recovered.keys->find(key, now_ms) && find(key, now_ms) == nullptr) unknown = key;
  });
  return unknown.empty() ? unknown : "key " + unknown + " was never answered";
}

}  // namespace loadcore::counter::simulated
