// Plain to batch-blocked and back.
#include "trivium/engine/backends/cpu/nblock_transform.h"

#include <gtest/gtest.h>

#include "nblock_reference.h"

namespace trivium::cpu::nblock {
namespace {

using testing::Floats;

TEST(NblockTransform, MovesEveryValueAndClearsIdleLanes) {
  std::mt19937 rng(8);
  for (int lanes : {4, 8, 16}) {
    for (int64_t batch : {1, 3, 4, 8, 15, 16, 17, 100}) {
      for (int64_t per_item : {1, 2, 15, 16, 17, 1024, 1500}) {
        const Floats plain = testing::random_floats(batch * per_item, rng);
        Floats block(nblock_size(batch, per_item, lanes), 7.f), back(plain.size(), 7.f);
        plain_to_nblock(plain.data(), batch, per_item, lanes, block.data());
        Floats want = testing::blocked(plain, batch, lanes);
        for (float& v : want) v = std::isnan(v) ? 0.f : v;
        ASSERT_EQ(block, want) << lanes << " lanes, batch " << batch << ", per item " << per_item;
        nblock_to_plain(block.data(), batch, per_item, lanes, back.data());
        ASSERT_EQ(back, plain) << lanes << " lanes, batch " << batch << ", per item " << per_item;
      }
    }
  }
}

}  // namespace
}  // namespace trivium::cpu::nblock
