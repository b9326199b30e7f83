// Training of vocabularies: counting words, then learning from the counts, step by step.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "engine.h"
#include "strings.h"
#include "text/training/bpe_trainer.h"
#include "text/training/unigram_trainer.h"
#include "text/training/word_counts.h"
#include "text/training/word_level_trainer.h"

using namespace fastplm;
using text::BpeTrainer;
using text::BpeTrainerOptions;
using text::TokenPair;
using text::UnigramTrainer;
using text::UnigramTrainerOptions;
using text::WordCounter;
using text::WordCounts;

static void add_texts(WordCounter& counter, const py::list& texts) {
  std::vector<py::object> keep;   // the lock is given up: the list may change meanwhile
  std::vector<std::string_view> views;
  for (size_t i = 0; i < texts.size(); ++i) {
    keep.push_back(texts[i]);
    views.push_back(utf8_of(keep.back(), [] { return std::string("a text of the corpus"); }));
  }
  const ReleaseGil release;
  counter.add(views);
}

static bool add_lines(WordCounter& counter, const py::bytes& lines) {
  const auto view = std::string_view(lines);
  const ReleaseGil release;
  return counter.add_lines(view);
}

static py::list list_of(const std::vector<std::string>& tokens) {
  py::list result{tokens.size()};
  for (size_t i = 0; i < tokens.size(); ++i)
    PyList_SET_ITEM(result.ptr(), Py_ssize_t(i), str_of(tokens[i]).release().ptr());
  return result;
}

static std::vector<char32_t> characters(const std::vector<int32_t>& code_points) {
  return {code_points.begin(), code_points.end()};
}

void bind_training(py::module_& m) {
  py::class_<WordCounts>(m, "WordCounts")
      .def_property_readonly("size", &WordCounts::size)
      .def(
          "most_frequent",
          [](const WordCounts& words, int64_t min_frequency, int64_t limit) {
            std::vector<int64_t> chosen;
            {
              const ReleaseGil release;
              chosen = text::most_frequent(words, min_frequency, limit);
            }
            py::list result;
            for (int64_t i : chosen) result.append(str_of(words.word(i)));
            return result;
          },
          py::arg("min_frequency"), py::arg("limit"));

  py::class_<WordCounter>(m, "WordCounter")
      .def(py::init([](py::handle settings) { return std::make_unique<WordCounter>(to_value(settings)); }))
      .def("add", &add_texts)
      .def("add_lines", &add_lines)
      .def("take", [](WordCounter& counter) {
        const ReleaseGil release;
        return counter.take();
      });

  py::class_<BpeTrainer>(m, "BpeTrainer")
      .def(py::init([](const WordCounts& words, int64_t vocab_size, int64_t min_frequency,
                       std::vector<std::string> special_tokens, std::optional<int64_t> limit_alphabet,
                       const std::vector<int32_t>& initial_alphabet, std::string continuing_subword_prefix,
                       std::string end_of_word_suffix, std::optional<int64_t> max_token_length) {
             const BpeTrainerOptions options{.vocab_size = vocab_size,
                                             .min_frequency = min_frequency,
                                             .special_tokens = std::move(special_tokens),
                                             .limit_alphabet = limit_alphabet,
                                             .initial_alphabet = characters(initial_alphabet),
                                             .continuing_subword_prefix = std::move(continuing_subword_prefix),
                                             .end_of_word_suffix = std::move(end_of_word_suffix),
                                             .max_token_length = max_token_length};
             const ReleaseGil release;
             return std::make_unique<BpeTrainer>(words, options);
           }),
           py::arg("words"), py::kw_only(), py::arg("vocab_size"), py::arg("min_frequency"), py::arg("special_tokens"),
           py::arg("limit_alphabet"), py::arg("initial_alphabet"), py::arg("continuing_subword_prefix"),
           py::arg("end_of_word_suffix"), py::arg("max_token_length"))
      .def("run", &BpeTrainer::run, py::call_guard<ReleaseGil>(), py::arg("merges"))
      .def_property_readonly("size", [](const BpeTrainer& t) { return t.tokens().size(); })
      .def("tokens", [](const BpeTrainer& t) { return list_of(t.tokens()); })
      .def("merges", [](const BpeTrainer& t) {   // [n, 2]: left and right
        py::array_t<int32_t> pairs({py::ssize_t(t.merges().size()), py::ssize_t(2)});
        int32_t* to = pairs.mutable_data();
        for (const TokenPair& pair : t.merges()) {
          *to++ = pair.left;
          *to++ = pair.right;
        }
        return pairs;
      });

  py::class_<UnigramTrainer>(m, "UnigramTrainer")
      .def(py::init([](const WordCounts& words, int64_t vocab_size, uint32_t max_piece_length, double shrinking_factor,
                       int64_t sub_iterations, const std::vector<int32_t>& initial_alphabet,
                       std::vector<std::string> excluded) {
             const UnigramTrainerOptions options{.vocab_size = vocab_size,
                                                 .max_piece_length = max_piece_length,
                                                 .shrinking_factor = shrinking_factor,
                                                 .sub_iterations = sub_iterations,
                                                 .initial_alphabet = characters(initial_alphabet),
                                                 .excluded = std::move(excluded)};
             const ReleaseGil release;
             return std::make_unique<UnigramTrainer>(words, options);
           }),
           py::arg("words"), py::kw_only(), py::arg("vocab_size"), py::arg("max_piece_length"),
           py::arg("shrinking_factor"), py::arg("sub_iterations"), py::arg("initial_alphabet"), py::arg("excluded"))
      .def("step", &UnigramTrainer::step, py::call_guard<ReleaseGil>())
      .def_property_readonly("size", &UnigramTrainer::size)
      .def("pieces", [](const UnigramTrainer& t) {
        py::list result;
        for (const UnigramTrainer::Scored& scored : t.pieces()) {
          result.append(py::make_tuple(str_of(scored.piece), scored.score));
        }
        return result;
      });
}
