// Functions of one number that the C++ library lacks, in double precision.
#pragma once

namespace trivium {

/// y with erf(y) = x; infinite at -1 and 1, NaN outside.
double erfinv(double x);
/// log |gamma(x)|; like std::lgamma, but safe to call from several threads.
double log_gamma(double x);
/// First and second derivative of the logarithm of the gamma function; NaN at its poles (the first
/// is -inf at +0 and inf at -0).
double digamma(double x);
double trigamma(double x);

}  // namespace trivium
