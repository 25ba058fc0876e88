// The loader against PyTorch's orders and draws, and what threads could break: order, bounds,
// errors, early ends.
#include "trivium/data/loader.h"

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "tests/data/golden.h"

namespace trivium::data {
namespace {

using random::default_generator;
using random::TorchGenerator;

std::vector<int64_t> first_column(const DataLoader& loader) {
  std::vector<int64_t> values;
  for (const Batch& batch : loader) {
    const auto column = batch[0].span<int64_t>();
    values.insert(values.end(), column.begin(), column.end());
  }
  return values;
}

TEST(DataLoader, OrdersAndDrawsAreThoseOfPyTorch) {
  for (const int64_t n : {1, 6, 12, 37})
    for (const int64_t batch : {1, 4, 6})
      for (const bool shuffle : {false, true})
        for (const bool drop : {false, true})
          for (const bool own : {false, true})
            for (const int workers : {0, 2}) {
              if (workers > 0 && (batch != 4 || n == 1)) continue;
              default_generator().manual_seed(n);
              const auto g = std::make_shared<TorchGenerator>(9);
              const DataLoader loader({.dataset = TensorDataset({arange(n), arange(n, 2)}),
                                       .batch_size = batch,
                                       .shuffle = shuffle,
                                       .workers = workers,
                                       .drop_last = drop,
                                       .generator = own ? g : nullptr});
              std::vector<int64_t> order = first_column(loader);
              const std::vector<int64_t> second = first_column(loader);
              order.insert(order.end(), second.begin(), second.end());
              std::string text = default_state() + " " + crc_text(g->state());
              if (!order.empty()) text += " " + join(order);
              const std::string key = fmt::format("loader/{}/{}/{:d}/{:d}/{:d}/{}", n, batch,
                                                  shuffle, drop, own, workers);
              EXPECT_EQ(text, golden(key)) << key;
              EXPECT_EQ(loader.size(), drop ? n / batch : (n + batch - 1) / batch);
            }
}

TEST(DataLoader, AShuffledPassGivesThePublishedBatches) {
  default_generator().manual_seed(0);
  std::vector<std::vector<int64_t>> batches;
  for (const Batch& b :
       DataLoader({.dataset = TensorDataset({arange(6)}), .batch_size = 4, .shuffle = true})) {
    const auto values = b[0].span<int64_t>();
    batches.emplace_back(values.begin(), values.end());
  }
  EXPECT_EQ(batches, (std::vector<std::vector<int64_t>>{{0, 4, 3, 5}, {2, 1}}));
}

TEST(DataLoader, WorkersKeepTheOrderWhateverTheirSpeed) {
  const FunctionDataset slow(40, [](int64_t i) -> Sample {
    std::this_thread::sleep_for(std::chrono::microseconds(i % 7 * 300));
    return {Array::scalar<int64_t>(i)};
  });
  const std::vector<int64_t> expected =
      first_column(DataLoader({.dataset = slow, .batch_size = 3}));
  for (const int workers : {1, 2, 5})
    EXPECT_EQ(first_column(DataLoader({.dataset = slow, .batch_size = 3, .workers = workers})),
              expected);
}

TEST(DataLoader, NoMoreThanThePrefetchedBatchesAreReadAhead) {
  std::atomic<int> read = 0;
  const FunctionDataset counted(100, [&](int64_t i) -> Sample {
    ++read;
    return {Array::scalar<int64_t>(i)};
  });
  const DataLoader loader(
      {.dataset = counted, .batch_size = 2, .workers = 2, .prefetch_factor = 3});
  const std::unique_ptr<Epoch> epoch = loader.epoch();
  for (int taken = 0; taken < 5; ++taken) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_LE(read, (6 + taken) * 2);
    ASSERT_TRUE(epoch->next());
  }
}

TEST(DataLoader, AnErrorNamesWorkerAndItemAndThePassGoesOn) {
  const FunctionDataset broken(8, [](int64_t i) -> Sample {
    if (i == 3) user_error("bad picture");
    if (i == 5) environment_error("no disk");
    if (i == 6) throw std::out_of_range("beyond");
    return {Array::scalar<int64_t>(i)};
  });
  const DataLoader loader({.dataset = broken, .batch_size = 1, .workers = 2});
  const std::unique_ptr<Epoch> epoch = loader.epoch();
  std::vector<std::string> seen;
  while (true) {
    try {
      const std::optional<Batch> batch = epoch->next();
      if (!batch) break;
      seen.push_back(std::to_string((*batch)[0].data<int64_t>()[0]));
    } catch (const UserError& e) {
      seen.push_back(std::string("user: ") + e.what());
    } catch (const EnvironmentError& e) {
      seen.push_back(std::string("environment: ") + e.what());
    }
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"0", "1", "2",
                                            "user: DataLoader worker 1: item 3: bad picture", "4",
                                            "environment: DataLoader worker 1: item 5: no disk",
                                            "user: DataLoader worker 0: item 6: beyond", "7"}));
}

TEST(DataLoader, AnErrorInTheCallerNamesTheItem) {
  const FunctionDataset broken(3, [](int64_t i) -> Sample {
    if (i == 2) user_error("bad picture");
    return {Array::scalar<int64_t>(i)};
  });
  const std::unique_ptr<Epoch> epoch = DataLoader({.dataset = broken, .batch_size = 3}).epoch();
  try {
    epoch->next();
    FAIL();
  } catch (const UserError& e) {
    EXPECT_STREQ(e.what(), "item 2: bad picture");
  }
}

TEST(DataLoader, APassThatIsLeftEarlyEndsItsWorkers) {
  std::atomic<int> inside = 0;
  const FunctionDataset slow(1000, [&](int64_t i) -> Sample {
    ++inside;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    --inside;
    return {Array::scalar<int64_t>(i)};
  });
  for (int round = 0; round < 20; ++round) {
    const DataLoader loader({.dataset = slow, .batch_size = 2, .workers = 3});
    for (const Batch& batch : loader)
      if (batch[0].data<int64_t>()[0] >= round % 4) break;
    EXPECT_EQ(inside, 0);
  }
  DataLoader({.dataset = slow, .workers = 2}).epoch();  // never asked for a batch
}

TEST(DataLoader, ABatchThatTakesTooLongIsAnError) {
  std::atomic<bool> go = false;
  const FunctionDataset stuck(2, [&](int64_t i) -> Sample {
    while (!go) std::this_thread::yield();
    return {Array::scalar<int64_t>(i)};
  });
  const std::unique_ptr<Epoch> epoch =
      DataLoader({.dataset = stuck, .workers = 1, .timeout = .02}).epoch();
  EXPECT_THROW(epoch->next(), EnvironmentError);
  go = true;
  while (true) {  // it was late, not lost
    try {
      EXPECT_EQ(epoch->next().value()[0].data<int64_t>()[0], 0);
      break;
    } catch (const EnvironmentError&) {
    }
  }
}

TEST(DataLoader, WorkersKnowThemselvesAndOwnTheirGenerators) {
  EXPECT_EQ(worker_info(), nullptr);
  EXPECT_EQ(&sample_generator(), &default_generator());
  std::atomic<int> started = 0;
  const FunctionDataset ask(6, [](int64_t i) -> Sample {
    const WorkerInfo* info = worker_info();
    return {Array::scalar<int64_t>(info->id), Array::scalar<int64_t>(info->workers),
            Array::scalar<int64_t>(sample_generator().initial_seed() == info->seed)};
  });
  const DataLoader loader({.dataset = ask, .workers = 3, .worker_init = [&](int) { ++started; }});
  int64_t number = 0;
  for (const Batch& batch : loader) {
    EXPECT_EQ(batch[0].at(0), static_cast<double>(number++ % 3));
    EXPECT_EQ(batch[1].at(0), 3);
    EXPECT_EQ(batch[2].at(0), 1);
  }
  EXPECT_EQ(started, 3);
}

TEST(DataLoader, AFailingStartOfAWorkerComesOut) {
  const DataLoader loader(
      {.dataset = TensorDataset({arange(4)}), .workers = 2, .worker_init = [](int id) {
         if (id == 1) user_error("no luck");
       }});
  const std::unique_ptr<Epoch> epoch = loader.epoch();
  EXPECT_TRUE(epoch->next());
  EXPECT_THROW(epoch->next(), UserError);
}

TEST(DataLoader, WithoutBatchSizeSamplesComeAsTheyAre) {
  const DataLoader loader({.dataset = TensorDataset({arange(3)}), .batch_size = std::nullopt});
  EXPECT_EQ(loader.size(), 3);
  for (const Batch& sample : loader) EXPECT_EQ(sample[0].shape(), Shape{});
}

TEST(DataLoader, CollateAndSamplersOfTheCallerAreUsed) {
  const auto last = [](const std::vector<Sample>& samples) -> Batch { return samples.back(); };
  const DataLoader one({.dataset = TensorDataset({arange(5)}), .batch_size = 2, .collate = last});
  std::vector<double> values;
  for (const Batch& b : one) values.push_back(b[0].item());
  EXPECT_EQ(values, (std::vector<double>{1, 3, 4}));
  const DataLoader two({.dataset = TensorDataset({arange(5)}),
                        .batch_sampler = batch_sampler(sequential_sampler(4), 3)});
  EXPECT_EQ(two.size(), 2);
  EXPECT_EQ(first_column(two), (std::vector<int64_t>{0, 1, 2, 3}));
}

TEST(DataLoader, OptionsThatMakeNoSenseAreRefused) {
  const TensorDataset d({arange(3)});
  const auto refuse = [](DataLoaderOptions o) { EXPECT_THROW(DataLoader{o}, UserError); };
  refuse({});
  refuse({.dataset = d, .batch_size = 0});
  refuse({.dataset = d, .workers = -1});
  refuse({.dataset = d, .timeout = -1});
  refuse({.dataset = d, .prefetch_factor = 2});
  refuse({.dataset = d, .workers = 1, .prefetch_factor = 0});
  refuse({.dataset = d, .shuffle = true, .sampler = sequential_sampler(3)});
  refuse({.dataset = d, .batch_size = 2, .batch_sampler = batch_sampler(sequential_sampler(3), 2)});
  refuse({.dataset = d, .batch_size = std::nullopt, .drop_last = true});
  refuse({.dataset = TensorDataset({arange(0)}), .shuffle = true});
}

TEST(DataLoader, RandomTransformsRepeatPyTorchForEveryNumberOfWorkers) {
  class Pictures : public ImageDataset {
   public:
    explicit Pictures(Transform t) : ImageDataset(std::move(t), nullptr) {}
    int64_t size() const override { return 22; }
    Array image(int64_t i) const override { return picture(20, 31, 3, i); }
    int64_t target(int64_t i) const override { return i; }
  };
  const Pictures pictures(
      Compose({RandomResizedCrop(16), RandomHorizontalFlip(),
               ColorJitter({.brightness = .2, .contrast = .2, .saturation = .2}), ToTensor(),
               Normalize({.5, .4, .3}, {.2, .3, .4})}));
  for (const int workers : {0, 1, 2, 3}) {
    default_generator().manual_seed(5);
    const DataLoader loader(
        {.dataset = pictures, .batch_size = 4, .shuffle = true, .workers = workers});
    uint32_t crc = 0;
    for (int pass = 0; pass < 2; ++pass)
      for (const Batch& batch : loader) crc = crc_of(batch[0], crc);
    EXPECT_EQ(hex(crc) + " " + default_state(), golden(fmt::format("workers/{}", workers)));
  }
}

}  // namespace
}  // namespace trivium::data
