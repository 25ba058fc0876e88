// The passes, in the order they run. Each takes a Unit and leaves it with an equivalent graph.
#pragma once

#include "trivium/engine/compile/unit.h"

namespace trivium::compile {

/// Numerics::exact: matrix products, convolutions and sums of floats are made in double.
void widen_sums(Unit& unit);
/// Canonical order of commutative operands, identities dropped, reshape chains joined, permutes
/// that move no element made reshapes, exact algebra (x*1, x/1, x-0), constants folded, broadcasts
/// of operands left to the elementwise op that reads them.
void simplify(Unit& unit);
/// Equal nodes become one (not random ones).
void eliminate_common_subexpressions(Unit& unit);
/// Sums of what zeros were put around become concatenations, parts of products products of parts;
/// axes are exchanged before something is padded and after something is cut.
void join_pieces(Unit& unit);
/// Composites no kernel of the backend wants are written out in smaller ops.
void decompose_composites(Unit& unit);
/// Steady factors and offsets of channels (batch normalisation by running statistics) go into the
/// weights and the bias of the convolution before them.
void fold_affine(Unit& unit);
/// gamma, beta, a second addend and relu join the batch normalisation before them, and the
/// gradients of gamma, beta and relu its gradient.
void fuse_norms(Unit& unit);
/// bias, relu and, after a convolution, a second addend or clip with constant bounds join the op
/// that makes their operand.
void fuse_epilogues(Unit& unit);
/// Chains of elementwise ops over one iteration space become elementwise_group nodes.
void group_elementwise(Unit& unit);

/// Loops that are the beginning of another one over the same operands become that one.
void join_loops(Unit& unit);

}  // namespace trivium::compile
