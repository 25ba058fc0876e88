// Section data: nets with one data layer, their blobs after each forward.
#include <fmt/format.h>

#include "tools/golden/caffe_case.h"
#include "tools/golden/golden.h"
#include "trivium/formats/npy.h"
#include "trivium/notations/caffe/memory_source.h"

namespace trivium::golden {
namespace {

/// Resizing and the grey of a PNG go through OpenCV and libpng: one step of a byte is allowed.
Tolerance tolerance_of(const std::string& name) {
  Tolerance t;
  if (name.compare(0, 12, "image_resize") == 0 || name.find("grey") != std::string::npos)
    t.absolute = 1;
  return t;
}

std::string run_case(const std::string& folder, const formats::NpzFile& file, const Row& row,
                     Report& report) {
  const std::string& name = row.at("case");
  const Array text = file.read(name + "/prototxt");
  caffe::NetOptions options;
  options.phase = phase_of(row.at("phase"));
  options.folder = folder + "/data";
  const auto net = build_net({static_cast<const char*>(text.raw()), text.bytes()}, name, options);
  if (file.contains(name + "/in/data"))
    dynamic_cast<caffe::MemorySource&>(*net->source("d"))
        .set(file.read(name + "/in/data"), file.read(name + "/in/label"));
  std::string problem;
  for (int k = 1; k <= std::stoi(row.at("forwards")); ++k) {
    const std::string prefix = fmt::format("{}/out{}/", name, k);
    std::vector<std::string> blobs;
    for (const std::string& key : file.names())
      if (key.compare(0, prefix.size(), prefix) == 0) blobs.push_back(key.substr(prefix.size()));
    const std::vector<Array> got = net->forward(blobs);
    for (size_t i = 0; i < blobs.size(); ++i) {
      double worst = 0;
      const std::string text =
          compare(got[i], file.read(prefix + blobs[i]), tolerance_of(name), &worst);
      report.difference("data", worst);
      if (!text.empty() && problem.empty())
        problem = fmt::format("out{}/{}: {}", k, blobs[i], text);
    }
  }
  return problem;
}

}  // namespace

void run_data(const std::string& folder, Report& report) {
  const formats::NpzFile file(folder + "/data.npz");
  for (const Row& row : read_tsv(folder + "/data.tsv")) {
    const std::string& name = row.at("case");
    if (!file.contains(name + "/prototxt"))
      continue;  // what is refused was recorded without its net
    try {
      const std::string problem = run_case(folder, file, row, report);
      if (problem.empty())
        report.pass("data");
      else
        report.fail("data", name, problem);
    } catch (const Error& error) {
      if (says_unsupported(error.what()))
        report.unsupported("data", name);
      else
        report.fail("data", name, error.what());
    }
  }
}

}  // namespace trivium::golden
