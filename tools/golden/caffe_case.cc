#include "tools/golden/caffe_case.h"

#include "trivium/notations/caffe/prototxt.h"
#include "trivium/notations/caffe/upgrade.h"

namespace trivium::golden {

std::unique_ptr<caffe::Net> build_net(const std::string& prototxt, const std::string& file,
                                      caffe::NetOptions options, caffe::LogLines* upgrade_log) {
  caffe::proto::NetParameter net;
  caffe::NetLines lines;
  caffe::parse_prototxt(prototxt, file, &net, &lines);
  options.lines = lines[""];
  const caffe::UpgradedNet upgraded =
      caffe::upgrade_net(std::move(net), file, upgrade_log, &options.lines);
  return std::make_unique<caffe::Net>(upgraded.net, std::move(options));
}

caffe::proto::Phase phase_of(const std::string& name) {
  return name == "TRAIN" ? caffe::proto::TRAIN : caffe::proto::TEST;
}

bool says_unsupported(const std::string& message) {
  return message.find("Trivium does not support it yet") != std::string::npos;
}

}  // namespace trivium::golden
