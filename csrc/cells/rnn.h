// The simple recurrent network: h' = g(W x + b + U h + c), g = tanh or relu. See elman/nn/cells/rnn.py.
//
// A cell is pointwise: `step` and `step_back` see a vector of units of one row. What every cell has:
//
//   GATES       products of each weight matrix, in torch's order of rows
//   SECTIONS    of a row of gates, [SECTIONS, H]: what the two products are summed into, and what `step` leaves
//               for `step_back`
//   W_SECTION   the section of each gate's input product; they are 0 .. GATES-1 in some order
//   U_SECTION   the section of each gate's recurrent product; they are U_FIRST .. U_FIRST+GATES-1
//   MEMORY      whether there is a second state c beside h
//   RECORDS     whether `step_back` reads the gates; if not, they need not be kept
//
//   step(z, h, c): z holds the sums and then the gates; c is the old one and then the new one; returns h'.
//   step_back(z, h, c, h_next, c_next, dh, dc, dz): dh and dc are the gradients of h' and c'; dz becomes that of
//   the sums, dc that of the old c; returns the part of the gradient of h that does not flow through U h.
#pragma once

#include "../activations.h"

namespace elman {

template <class T, bool RELU>
struct RNN {
    static constexpr int GATES = 1, SECTIONS = 1, U_FIRST = 0;
    static constexpr int W_SECTION[GATES] = {0}, U_SECTION[GATES] = {0};
    static constexpr bool MEMORY = false, RECORDS = false;
    using V = Vector<T>;

    static ELMAN_INLINE V step(V (&z)[SECTIONS], V, V&) {
        if constexpr (RELU) return z[0] < V{} ? V{} : z[0];  // so that not a number stays
        return tanh<T>(z[0]);
    }

    // dz = dh' g'(z), and g' is known from h'.
    static ELMAN_INLINE V step_back(const V (&)[SECTIONS], V, V, V h_next, V, V dh, V&, V (&dz)[SECTIONS]) {
        if constexpr (RELU)
            dz[0] = h_next > V{} ? dh : V{};
        else
            dz[0] = dh * tanh_slope<T>(h_next);
        return V{};
    }
};

template <class T>
using TanhRNN = RNN<T, false>;
template <class T>
using ReluRNN = RNN<T, true>;

}  // namespace elman
