// Nets written inside a test.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/notations/caffe/net.h"
#include "trivium/notations/caffe/prototxt.h"
#include "trivium/notations/caffe/upgrade.h"

namespace trivium::caffe {

inline proto::NetParameter parse_net(const std::string& text, SourceMap* lines = nullptr) {
  proto::NetParameter net;
  NetLines found;
  parse_prototxt(text, "net.prototxt", &net, &found);
  SourceMap here = found[""];
  net = upgrade_net(std::move(net), "net.prototxt", nullptr, &here).net;
  if (lines) *lines = here;
  return net;
}

inline std::unique_ptr<Net> build(const std::string& text, NetOptions options = {}) {
  cpu::register_backend();
  const proto::NetParameter net = parse_net(text, &options.lines);
  return std::make_unique<Net>(net, std::move(options));
}

inline std::unique_ptr<Net> build_train(const std::string& text, uint32_t seed = 1) {
  NetOptions options;
  options.phase = proto::TRAIN;
  options.random = std::make_shared<RandomState>(seed);
  return build(text, options);
}

/// `layer { name: … type: … bottom: … top: … body }`.
inline std::string layer_text(const std::string& name, const std::string& type,
                              const std::vector<std::string>& bottoms,
                              const std::vector<std::string>& tops, const std::string& body = "") {
  std::string text = "layer {\n  name: \"" + name + "\"\n  type: \"" + type + "\"\n";
  for (const std::string& b : bottoms) text += "  bottom: \"" + b + "\"\n";
  for (const std::string& t : tops) text += "  top: \"" + t + "\"\n";
  return text + "  " + body + "\n}\n";
}

inline std::string input_text(const std::string& name, const std::vector<int>& shape) {
  std::string dims;
  for (int d : shape) dims += " dim: " + std::to_string(d);
  return layer_text(name, "Input", {}, {name}, "input_param { shape {" + dims + " } }");
}

inline void expect_values(const Array& got, const std::vector<float>& want,
                          float tolerance = 1e-6f) {
  ASSERT_EQ(got.count(), static_cast<int64_t>(want.size()));
  for (size_t i = 0; i < want.size(); ++i)
    EXPECT_NEAR(got.at(static_cast<int64_t>(i)), want[i], tolerance) << "at " << i;
}

}  // namespace trivium::caffe
