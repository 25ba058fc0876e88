// One network for tools/dev/torchvision_check: exchange NAME SIDE THEIRS.pth OURS.pth OUT.npz.
// Draws the net with seed 0 and writes its state to OURS.pth, then loads THEIRS.pth into it.
// OUT.npz gets the checksum of the drawn state ("state"), the generator's next draw ("draw") and
// the logits of the ramp image before ("drawn") and after loading ("loaded").
#include <cstdio>
#include <cstdlib>

#include "tests/models/torchvision_state.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/npy.h"
#include "trivium/models/by_name.h"
#include "trivium/nn.h"

namespace {

using namespace trivium;

void exchange(char** given) {
  start();
  const std::string name = given[0];
  const nn::Tensor image = models::ramp_image(std::atoll(given[1]));
  nn::manual_seed(0);
  const nn::ModulePtr net = models::get_model(name);
  const Array draw = nn::rand({1}).array().clone();
  nn::save(net->state_dict(), given[3]);
  Array state(Shape{1}, DType::i64);
  state.set(0, models::checksum(net->state_dict()));
  net->eval();
  const nn::NoGradGuard no_grad;
  const Array drawn = (*net)(image).array().clone();
  net->load_state_dict(nn::load_state_dict(given[2]));
  const Array loaded = (*net)(image).array().clone();
  formats::write_npz(given[4],
                     {{"state", state}, {"draw", draw}, {"drawn", drawn}, {"loaded", loaded}});
}

}  // namespace

int main(int count, char** given) {
  if (count != 6) {
    std::fputs("usage: torchvision_exchange NAME SIDE THEIRS.pth OURS.pth OUT.npz\n", stderr);
    return 2;
  }
  try {
    exchange(given + 1);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", given[1], error.what());
    return 1;
  }
}
