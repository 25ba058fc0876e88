// upgrade_solver_proto_text: rewrites a file in the newest format (upgrade_main.h).
#include "tools/upgrade_main.h"
#include "trivium/notations/caffe/upgrade_tool.h"

int main(int argc, char** argv) {
  return trivium::tools::upgrade_main("upgrade_solver_proto_text",
                                      "old_solver_proto_file_in solver_proto_file_out", argc, argv,
                                      trivium::caffe::upgrade_solver_text);
}
