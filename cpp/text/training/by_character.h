// A value for every character; only what is near a character that was asked for takes memory.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace fastplm::text {

template <class T>
class ByCharacter {
 public:
  explicit ByCharacter(T initial = {}) : initial_(initial) {}

  T& operator[](char32_t c) {
    std::unique_ptr<Page>& page = pages_[c / kPage];
    if (!page) {
      page = std::make_unique<Page>();
      page->fill(initial_);
    }
    return (*page)[c % kPage];
  }

  // Calls visit(character, value), in order, for the characters that were asked for and some near them.
  template <class Visit>
  void each(Visit&& visit) {
    for (size_t page = 0; page < pages_.size(); ++page) {
      if (!pages_[page]) continue;
      for (size_t i = 0; i < kPage; ++i) visit(char32_t(page * kPage + i), (*pages_[page])[i]);
    }
  }

 private:
  static constexpr size_t kPage = 256;
  using Page = std::array<T, kPage>;
  const T initial_;
  std::vector<std::unique_ptr<Page>> pages_ = std::vector<std::unique_ptr<Page>>(0x110000 / kPage + 1);
};

}  // namespace fastplm::text
