// Numbers for the programs of the lecture: drawn, or those that another program drew, as
// `np.save("x.npy", x)` leaves them. NumPy draws doubles, so these are doubles too.
#pragma once

#include <string>

#include "trivium/formats/npy.h"
#include "trivium/tf.h"

/// DIR/name.npy; without a folder normal numbers of this seed.
inline trivium::Array drawn(const std::string& dir, const std::string& name,
                            const std::vector<int64_t>& shape, int64_t seed) {
  namespace tf = trivium::tf;
  if (!dir.empty()) return trivium::formats::read_npy(dir + "/" + name + ".npy");
  tf::Session session;
  return session.run(tf::random_normal(shape, 0.0, 1.0, tf::float64, seed));
}
