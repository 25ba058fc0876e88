// Reads the files that define nets and solvers, as text or binary, and brings them to the newest
// format. Everything the later stages need comes back together: the message, the lines of its
// layers, the log.
#pragma once

#include <string>

#include "trivium/formats/proto/caffe.pb.h"
#include "trivium/notations/caffe/log_line.h"
#include "trivium/notations/caffe/prototxt.h"
#include "trivium/notations/caffe/source_map.h"

namespace trivium::caffe {

struct NetFile {
  proto::NetParameter net;
  SourceMap lines;  ///< parallel to net.layer; without layers when the file was binary
  LogLines log;     ///< what the upgrades reported
};

struct SolverFile {
  proto::SolverParameter solver;
  NetLines nets;  ///< lines of the nets written inside the solver, by path (see NetLines)
  LogLines log;
};

/// Reads a net from a prototxt, or from a binary file such as a .caffemodel (told apart by
/// content), and upgrades it. With `log`, the lines go there as they arise, so that they survive an
/// error, and not into the result. Throws EnvironmentError when the file cannot be read, UserError
/// when its content is not a net.
NetFile read_net_file(const std::string& path, LogLines* log = nullptr);

/// The same for a solver; its old `solver_type` becomes `type`. Nets inside it are left as written.
SolverFile read_solver_file(const std::string& path, LogLines* log = nullptr);

/// Reads any message from text or binary without upgrading it.
/// `lines`, when given, receives the lines of the nets of a text.
void read_message_file(const std::string& path, google::protobuf::Message* into,
                       NetLines* lines = nullptr);

/// True for content that is not text: it has control characters other than white space.
bool looks_binary(std::string_view content);

/// Parses a serialised message. Throws UserError naming `file` when the bytes are not one.
void parse_binary(std::string_view bytes, const std::string& file, google::protobuf::Message* into);

}  // namespace trivium::caffe
