// Batch-blocked fully connected layers against plain double loops.
#include "trivium/engine/backends/cpu/nblock_fc.h"

#include <gtest/gtest.h>

#include "nblock_reference.h"

namespace trivium::cpu::nblock {
namespace {

using testing::Floats;
using testing::Sums;

void expect_matches_reference(const FcShape& s, std::mt19937& rng) {
  SCOPED_TRACE("batch " + std::to_string(s.batch) + " inputs " + std::to_string(s.inputs) +
               " outputs " + std::to_string(s.outputs) + " transpose_w " +
               std::to_string(s.transpose_w) + " lanes " + std::to_string(s.lanes));
  const Floats x = testing::random_floats(s.batch * s.inputs, rng);
  const Floats dy = testing::random_floats(s.batch * s.outputs, rng);
  const Floats w = testing::random_floats(s.inputs * s.outputs, rng);
  const Floats bias = testing::random_floats(s.outputs, rng);
  Sums y(dy.size()), dx(x.size()), dw(w.size()), db(s.outputs);
  for (int64_t n = 0; n < s.batch; ++n) {
    for (int64_t o = 0; o < s.outputs; ++o) {
      y.add(n * s.outputs + o, bias[o]);
      db.add(o, dy[n * s.outputs + o]);
      for (int64_t k = 0; k < s.inputs; ++k) {
        const int64_t wi = s.transpose_w ? k * s.outputs + o : o * s.inputs + k;
        y.add(n * s.outputs + o, double(x[n * s.inputs + k]) * w[wi]);
        dx.add(n * s.inputs + k, double(dy[n * s.outputs + o]) * w[wi]);
        dw.add(wi, double(x[n * s.inputs + k]) * dy[n * s.outputs + o]);
      }
    }
  }
  const Floats xb = testing::blocked(x, s.batch, s.lanes),
               dyb = testing::blocked(dy, s.batch, s.lanes);
  Floats got_y(dyb.size()), got_dx(xb.size()), got_dw(w.size()), got_db(s.outputs);
  Floats scratch(fc_scratch_bytes(s) / 4);
  fc_forward(s, xb.data(), w.data(), bias.data(), Activation::none, 0.f, got_y.data());
  fc_backward_data(s, dyb.data(), w.data(), got_dx.data());
  fc_backward_weights(s, xb.data(), dyb.data(), got_dw.data(), got_db.data(), scratch.data());
  EXPECT_LE(testing::worst_error(testing::unblocked(got_y, s.batch, s.outputs, s.lanes), y),
            testing::rounding_bound(s.inputs + 1));
  EXPECT_LE(testing::worst_error(testing::unblocked(got_dx, s.batch, s.inputs, s.lanes), dx),
            testing::rounding_bound(s.outputs));
  EXPECT_LE(testing::worst_error(got_dw, dw), testing::rounding_bound(s.batch));
  EXPECT_LE(testing::worst_error(got_db, db), testing::rounding_bound(s.batch));
}

TEST(NblockFc, MatchesDoubleLoops) {
  std::mt19937 rng(5);
  for (int trial = 0; trial < 120; ++trial) {
    FcShape s;
    s.batch = 1 + rng() % 130;
    s.inputs = 1 + rng() % 200;
    s.outputs = 1 + rng() % 90;
    s.transpose_w = rng() % 2;
    s.lanes = 4 << rng() % 3;
    expect_matches_reference(s, rng);
  }
}

TEST(NblockFc, StreamsWeightsThatExceedTheCaches) {
  std::mt19937 rng(6);
  expect_matches_reference({9, 2304, 1936, false, 16}, rng);
  expect_matches_reference({3, 2032, 1200, true, 4}, rng);
}

TEST(NblockFc, AppliesActivationOnceAfterAllBlocks) {
  std::mt19937 rng(7);
  const FcShape s{40, 1500, 33, false, 8};
  const Floats x =
      testing::blocked(testing::random_floats(s.batch * s.inputs, rng), s.batch, s.lanes);
  const Floats w = testing::random_floats(s.inputs * s.outputs, rng);
  Floats plain(nblock_size(s.batch, s.outputs, s.lanes)), relu(plain.size());
  fc_forward(s, x.data(), w.data(), nullptr, Activation::none, 0.f, plain.data());
  fc_forward(s, x.data(), w.data(), nullptr, Activation::relu, 0.f, relu.data());
  const Floats a = testing::unblocked(plain, s.batch, s.outputs, s.lanes);
  const Floats b = testing::unblocked(relu, s.batch, s.outputs, s.lanes);
  for (size_t i = 0; i < a.size(); ++i) EXPECT_EQ(b[i], a[i] > 0 ? a[i] : 0.f);
}

}  // namespace
}  // namespace trivium::cpu::nblock
