#include "model/generate/stop_strings.h"

#include <algorithm>

namespace fastplm {

bool StopStrings::end(std::span<const int32_t> ids) const {
  size_t longest = 0;
  for (const std::string& s : strings) longest = std::max(longest, s.size());
  const auto known = [&](int32_t id) { return id >= 0 && size_t(id) + 1 < starts.size(); };
  if (ids.empty() || !known(ids.back())) return false;
  const auto text_of = [&](int32_t id) {
    return std::string_view(bytes).substr(size_t(starts[size_t(id)]),
                                          size_t(starts[size_t(id) + 1] - starts[size_t(id)]));
  };
  std::string text(text_of(ids.back()));
  const size_t last = text.size();
  for (size_t n = ids.size() - 1; n > 0 && text.size() < last + longest && known(ids[n - 1]); --n) {
    text.insert(0, text_of(ids[n - 1]));
  }
  return std::ranges::any_of(strings, [&](const std::string& s) {
    const size_t found = text.rfind(s);
    return found != std::string::npos && found + s.size() > text.size() - last;
  });
}

}  // namespace fastplm
