// Any bytes given to the prototxt parser, as a net and as a solver: only UserErrors may come out, a
// message that was read must survive printing and reading again, and a net must pass or be refused
// by the later stages.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "trivium/engine/core/error.h"
#include "trivium/notations/caffe/filter.h"
#include "trivium/notations/caffe/print.h"
#include "trivium/notations/caffe/prototxt.h"
#include "trivium/notations/caffe/splits.h"
#include "trivium/notations/caffe/upgrade.h"

namespace {

using namespace trivium::caffe;

template <typename Message>
bool read_and_print(std::string_view text, Message* message, NetLines* lines) {
  try {
    parse_prototxt(text, "fuzz", message, lines);
  } catch (const trivium::UserError&) {
    return false;
  }
  const std::string printed = to_prototxt(*message);
  Message again;
  parse_prototxt(printed, "printed", &again);
  if (to_prototxt(again) != printed) std::abort();
  return true;
}

void build(proto::NetParameter net, SourceMap lines) {
  try {
    net = upgrade_net(std::move(net), "fuzz", nullptr, &lines).net;
    net = filter_net(net, net.state(), nullptr, &lines);
    insert_splits(net, &lines);
  } catch (const trivium::UserError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  proto::NetParameter net;
  NetLines lines;
  if (read_and_print(text, &net, &lines)) build(std::move(net), std::move(lines[""]));
  proto::SolverParameter solver;
  if (read_and_print(text, &solver, nullptr)) {
    try {
      upgrade_solver(std::move(solver), "fuzz");
    } catch (const trivium::UserError&) {
    }
  }
  return 0;
}
