// upgrade_net_proto_binary: rewrites a file in the newest format (upgrade_main.h).
#include "tools/upgrade_main.h"
#include "trivium/notations/caffe/upgrade_tool.h"

int main(int argc, char** argv) {
  return trivium::tools::upgrade_main("upgrade_net_proto_binary",
                                      "v0_net_proto_file_in net_proto_file_out", argc, argv,
                                      trivium::caffe::upgrade_net_binary);
}
