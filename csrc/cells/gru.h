// The gated recurrent unit: gates r z n. See cells/rnn.h for what a cell has, elman/nn/cells/gru.py for the equations.
//
// The reset gate stands between the two products of n, so these have a section each: sections n r z m, of which
// W x fills the first three and U h the last three; m = U_n h + c_n.
#pragma once

#include "../activations.h"

namespace elman {

template <class T>
struct GRU {
    static constexpr int GATES = 3, SECTIONS = 4, U_FIRST = 1;
    static constexpr int W_SECTION[GATES] = {1, 2, 0}, U_SECTION[GATES] = {1, 2, 3};
    static constexpr bool MEMORY = false, RECORDS = true;
    using V = Vector<T>;
    enum { N, R, Z, M };

    static ELMAN_INLINE V step(V (&z)[SECTIONS], V h, V&) {
        z[R] = sigmoid<T>(z[R]);
        z[Z] = sigmoid<T>(z[Z]);
        z[N] = tanh<T>(multiply_add(z[R], z[M], z[N]));
        return multiply_add(z[Z], h - z[N], z[N]);
    }

    // h' = (1 - z) n + z h; n = tanh(x_n + r m).
    static ELMAN_INLINE V step_back(const V (&z)[SECTIONS], V h, V, V, V, V dh, V&, V (&dz)[SECTIONS]) {
        dz[N] = dh * (T(1) - z[Z]) * tanh_slope<T>(z[N]);
        dz[R] = dz[N] * z[M] * sigmoid_slope<T>(z[R]);
        dz[Z] = dh * (h - z[N]) * sigmoid_slope<T>(z[Z]);
        dz[M] = dz[N] * z[R];
        return dh * z[Z];
    }
};

}  // namespace elman
