// Long short-term memory: gates i f g o. See cells/rnn.h for what a cell has, elman/nn/cells/lstm.py for the equations.
#pragma once

#include "../activations.h"

namespace elman {

template <class T>
struct LSTM {
    static constexpr int GATES = 4, SECTIONS = 4, U_FIRST = 0;
    static constexpr int W_SECTION[GATES] = {0, 1, 2, 3}, U_SECTION[GATES] = {0, 1, 2, 3};
    static constexpr bool MEMORY = true, RECORDS = true;
    using V = Vector<T>;
    enum { I, F, G, O };

    static ELMAN_INLINE V step(V (&z)[SECTIONS], V, V& c) {
        z[I] = sigmoid<T>(z[I]);
        z[F] = sigmoid<T>(z[F]);
        z[G] = tanh<T>(z[G]);
        z[O] = sigmoid<T>(z[O]);
        c = multiply_add(z[F], c, z[I] * z[G]);
        return z[O] * tanh<T>(c);
    }

    // Back through h' = o tanh(c') into c', then through c' = f c + i g into the gates.
    static ELMAN_INLINE V step_back(const V (&z)[SECTIONS], V, V c, V, V c_next, V dh, V& dc, V (&dz)[SECTIONS]) {
        const V tanh_c = tanh<T>(c_next);
        const V dc_next = multiply_add(dh * z[O], tanh_slope<T>(tanh_c), dc);
        dz[I] = dc_next * z[G] * sigmoid_slope<T>(z[I]);
        dz[F] = dc_next * c * sigmoid_slope<T>(z[F]);
        dz[G] = dc_next * z[I] * tanh_slope<T>(z[G]);
        dz[O] = dh * tanh_c * sigmoid_slope<T>(z[O]);
        dc = dc_next * z[F];
        return V{};
    }
};

}  // namespace elman
