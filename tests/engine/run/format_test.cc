// Formats as numbers: text, physical shape and bytes; and the backend registry's errors.
#include <gtest/gtest.h>

#include "trivium/engine/core/error.h"
#include "trivium/engine/run/backend.h"

namespace trivium::run {
namespace {

TEST(Format, TextNamesKindAndLanes) {
  EXPECT_EQ(Format{}.text(), "plain");
  EXPECT_EQ((Format{Format::nblock, 16}.text()), "n16");
  EXPECT_EQ((Format{Format::channels, 8}.text()), "c8");
}

TEST(TensorDesc, BatchBlocksPutLanesInnermost) {
  const TensorDesc d{{100, 32, 16, 16}, DType::f32, {Format::nblock, 16}};
  EXPECT_EQ(d.physical(), (Shape{7, 32, 16, 16, 16}));
  EXPECT_EQ(d.bytes(), size_t{7 * 32 * 16 * 16 * 16 * 4});
}

TEST(TensorDesc, ChannelBlocksPadChannels) {
  const TensorDesc d{{2, 20, 5}, DType::f64, {Format::channels, 16}};
  EXPECT_EQ(d.physical(), (Shape{2, 2, 5, 16}));
  EXPECT_EQ(d.bytes(), size_t{2 * 2 * 5 * 16 * 8});
}

TEST(TensorDesc, BlockingAScalarIsAnInternalError) {
  EXPECT_THROW((TensorDesc{{}, DType::f32, {Format::nblock, 16}}.physical()), InternalError);
}

TEST(BackendRegistry, UnknownNameListsWhatThereIs) {
  try {
    backend("abacus");
    FAIL();
  } catch (const EnvironmentError& e) {
    EXPECT_NE(std::string(e.what()).find("abacus"), std::string::npos);
  }
}

}  // namespace
}  // namespace trivium::run
