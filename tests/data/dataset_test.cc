// Datasets without files, collation, splits and samplers.
#include "trivium/data/dataset.h"

#include "tests/data/golden.h"
#include "trivium/data/sampler.h"

namespace trivium::data {
namespace {

using random::default_generator;
using random::TorchGenerator;

std::vector<int64_t> all_of(const SamplerRef& sampler) {
  std::vector<int64_t> order;
  const std::unique_ptr<IndexStream> pass = sampler->start();
  while (const std::optional<int64_t> i = pass->next()) order.push_back(*i);
  EXPECT_EQ(static_cast<int64_t>(order.size()), sampler->size());
  return order;
}

TEST(Dataset, TensorDatasetGivesRowsAndBatchesOfRows) {
  const TensorDataset d({Array::from<float>({1, 2, 3, 4, 5, 6}, {3, 2}), arange(3, 10)});
  EXPECT_EQ(d.size(), 3);
  EXPECT_EQ(d.get(-1)[0].at(1), 6);
  EXPECT_EQ(d.get(1)[1].item(), 10);
  const Batch batch = d.get_batch(std::vector<int64_t>{2, 0});
  EXPECT_EQ(batch[0].shape(), (Shape{2, 2}));
  EXPECT_EQ(batch[0].at(0), 5);
  EXPECT_EQ(batch[1].at(1), 0);
  EXPECT_THROW(d.get(3), UserError);
  EXPECT_THROW(d.get(-4), UserError);
  EXPECT_THROW(TensorDataset({arange(3), arange(4)}), UserError);
  EXPECT_THROW(TensorDataset({Array::scalar(1.f)}), UserError);
  EXPECT_THROW(TensorDataset(std::vector<Array>{}), UserError);
}

TEST(Dataset, SubsetsAndConcatenationsCompose) {
  const TensorDataset a({arange(3)}), b({arange(4, 100)});
  const ConcatDataset both({a, b});
  EXPECT_EQ(both.size(), 7);
  EXPECT_EQ(both.get(2)[0].item(), 2);
  EXPECT_EQ(both.get(3)[0].item(), 0);
  EXPECT_EQ(both.get(-1)[0].item(), 300);
  EXPECT_THROW(both.get(7), UserError);
  const Subset some(both, {6, 0, 4});
  EXPECT_EQ(some.get(0)[0].item(), 300);
  const Batch batch = some.get_batch(std::vector<int64_t>{1, 2});
  EXPECT_EQ(batch[0].at(0), 0);
  EXPECT_EQ(batch[0].at(1), 100);
  EXPECT_THROW(some.get(3), UserError);
  EXPECT_THROW(ConcatDataset({}), UserError);
}

TEST(Dataset, CollateStacksColumnsAndNamesWhatDoesNotFit) {
  const Sample one = {Array::full({2, 3}, 1), Array::scalar<int64_t>(5)};
  const Batch batch = collate({one, one, one});
  EXPECT_EQ(batch[0].shape(), (Shape{3, 2, 3}));
  EXPECT_EQ(batch[1].shape(), (Shape{3}));
  const auto message = [&](const Sample& other) -> std::string {
    try {
      collate({one, other});
    } catch (const UserError& e) {
      return e.what();
    }
    return "";
  };
  EXPECT_NE(message({Array::full({3, 3}, 1), Array::scalar<int64_t>(5)}).find("float32[3, 3]"),
            std::string::npos);
  EXPECT_NE(message({Array::full({2, 3}, 1)}).find("sample 1 has 1"), std::string::npos);
  EXPECT_NE(message({Array::full({2, 3}, 1), Array::scalar(5.f)}).find("column 1"),
            std::string::npos);
  EXPECT_THROW(collate({}), UserError);
}

TEST(Dataset, RandomSplitsAreThoseOfPyTorch) {
  const TensorDataset six({arange(6)});
  default_generator().manual_seed(0);
  std::vector<int64_t> order;
  for (const Subset& part : random_split(six, std::vector<int64_t>{4, 2}))
    order.insert(order.end(), part.indices().begin(), part.indices().end());
  EXPECT_EQ(order, (std::vector<int64_t>{2, 5, 3, 0, 1, 4}));
  EXPECT_EQ(join(order) + " " + default_state(), golden("split"));
  std::vector<int64_t> sizes;
  const TensorDataset ten({arange(10)});
  for (const Subset& part : random_split(ten, std::vector<double>{.33, .33, .34}))
    sizes.push_back(part.size());
  EXPECT_EQ(join(sizes), golden("split_fractions"));
  EXPECT_THROW(random_split(six, std::vector<int64_t>{4, 3}), UserError);
  EXPECT_THROW(random_split(six, std::vector<int64_t>{-1, 7}), UserError);
  EXPECT_THROW(random_split(six, std::vector<double>{.5, .4}), UserError);
}

TEST(Sampler, RandomOrdersAndDrawsAreThoseOfPyTorch) {
  struct Case {
    int64_t n;
    bool replacement;
    int64_t samples;
  };
  const std::vector<Case> cases = {{5, false, 5}, {5, false, 12}, {5, false, 3}, {5, false, 10},
                                   {7, true, 7},  {7, true, 32},  {7, true, 70}};
  for (const Case& c : cases)
    for (const bool own : {false, true}) {
      default_generator().manual_seed(1);
      const auto g = std::make_shared<TorchGenerator>(2);
      const std::vector<int64_t> order = all_of(random_sampler({.size = c.n,
                                                                .replacement = c.replacement,
                                                                .samples = c.samples,
                                                                .generator = own ? g : nullptr}));
      const std::string key =
          fmt::format("random/{}/{:d}/{}/{:d}", c.n, c.replacement, c.samples, own);
      EXPECT_EQ(default_state() + " " + crc_text(g->state()) + " " + join(order), golden(key))
          << key;
    }
}

TEST(Sampler, SubsetsAndWeightsAreThoseOfPyTorch) {
  default_generator().manual_seed(3);
  const std::vector<int64_t> subset = all_of(subset_random_sampler({10, 20, 30, 40, 50}));
  EXPECT_EQ(join(subset) + " " + default_state(), golden("subset"));
  for (const auto& [replacement, samples] :
       std::vector<std::pair<bool, int64_t>>{{true, 9}, {false, 3}}) {
    default_generator().manual_seed(4);
    const std::vector<int64_t> order =
        all_of(weighted_random_sampler({.1, .5, 2, .4}, samples, replacement));
    EXPECT_EQ(join(order) + " " + default_state(),
              golden(fmt::format("weighted/{:d}/{}", replacement, samples)));
  }
}

TEST(Sampler, ArgumentsAreChecked) {
  EXPECT_THROW(random_sampler({.size = 0}), UserError);
  EXPECT_THROW(random_sampler({.size = 3, .samples = 0}), UserError);
  EXPECT_THROW(weighted_random_sampler({}, 1), UserError);
  EXPECT_THROW(weighted_random_sampler({1}, 0), UserError);
  EXPECT_THROW(batch_sampler(sequential_sampler(3), 0), UserError);
  EXPECT_THROW(batch_sampler(nullptr, 1), UserError);
  EXPECT_TRUE(all_of(sequential_sampler(0)).empty());
}

}  // namespace
}  // namespace trivium::data
