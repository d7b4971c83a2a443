// Sigmoid and tanh of a vector, both from one approximation of e^x - 1.
//
// Largest error, against a computation in higher precision (tests/nn/test_kernels.py): 3 units in the last place, for
// tanh everywhere, for sigmoid from -87 on (float) or -708 (double); below that it stays at its value there, which
// is off by less than 2e-38 or 4e-308. Not a number gives not a number.
#pragma once

#include "simd.h"

namespace elman {

template <class T>
struct Exponential;
template <>
struct Exponential<float> {
    static constexpr int TERMS = 8, MANTISSA = 23;
    static constexpr uint32_t BIAS = 127;
    static constexpr float LN2_HIGH = 0x1.62e4p-1f, LN2_LOW = 0x1.7f7d1cp-20f;  // the high part times n is exact
    static constexpr float ROUND = 0x1.8p23f;  // added to a small number, it leaves the nearest whole number
    static constexpr float LARGEST = 87.0f;    // of x, for e^x to be finite
};
template <>
struct Exponential<double> {
    static constexpr int TERMS = 14, MANTISSA = 52;
    static constexpr uint64_t BIAS = 1023;
    static constexpr double LN2_HIGH = 0x1.62e42fefap-1, LN2_LOW = 0x1.cf79abc9e3b39p-40;
    static constexpr double ROUND = 0x1.8p52;
    static constexpr double LARGEST = 708.0;
};

template <class T>
constexpr T inverse_factorial(int n) {
    T product = 1;
    for (int i = 2; i <= n; i++) product *= i;
    return 1 / product;
}

// e^x = scale * (1 + rest): x = n ln 2 + r with |r| <= ln 2 / 2, scale = 2^n, rest = e^r - 1 by Taylor's series.
template <class T>
struct Parts {
    Vector<T> scale, rest;
};

template <class T>
ELMAN_INLINE Parts<T> exponential(Vector<T> x) {
    using E = Exponential<T>;
    const Vector<T> rounded = multiply_add(x, all<T>(T(0x1.71547652b82fep0)), all<T>(E::ROUND));  // log2(e)
    const Vector<T> n = rounded - E::ROUND;
    Vector<T> r = multiply_add(n, all<T>(-E::LN2_HIGH), x);
    r = multiply_add(n, all<T>(-E::LN2_LOW), r);
    Vector<T> series = all<T>(inverse_factorial<T>(E::TERMS - 1));
#pragma GCC unroll 16
    for (int i = E::TERMS - 2; i >= 2; i--) series = multiply_add(series, r, all<T>(inverse_factorial<T>(i)));
    // n stands in the low bits of `rounded`; moved into the exponent it makes 2^n.
    const Unsigned<T> scale = ((Unsigned<T>)rounded + E::BIAS) << E::MANTISSA;
    return {(Vector<T>)scale, multiply_add(series, r * r, r)};
}

// 1 / (1 + e^-x)
template <class T>
ELMAN_INLINE Vector<T> sigmoid(Vector<T> x) {
    const Vector<T> most = all<T>(Exponential<T>::LARGEST);
    x = x > most ? most : x;
    x = x < -most ? -most : x;
    const Parts<T> e = exponential<T>(-x);
    return T(1) / (multiply_add(e.scale, e.rest, e.scale) + T(1));
}

// (e^2|x| - 1) / (e^2|x| + 1), with the sign of x
template <class T>
ELMAN_INLINE Vector<T> tanh(Vector<T> x) {
    const Vector<T> most = all<T>(T(20));  // from where on it is 1, in double too
    const Bits<T> sign = (Bits<T>)x & (Bits<T>)all<T>(T(-0.0));
    Vector<T> size = (Vector<T>)((Bits<T>)x ^ sign);
    size = size > most ? most : size;
    const Parts<T> e = exponential<T>(size + size);
    const Vector<T> expm1 = multiply_add(e.scale, e.rest, e.scale - T(1));
    return (Vector<T>)((Bits<T>)(expm1 / (expm1 + T(2))) | sign);
}

// Their slopes, from their values y.
template <class T>
ELMAN_INLINE Vector<T> sigmoid_slope(Vector<T> y) {
    return y * (T(1) - y);
}

template <class T>
ELMAN_INLINE Vector<T> tanh_slope(Vector<T> y) {
    return multiply_add(-y, y, all<T>(T(1)));
}

// f of each of n numbers, in place.
template <class T, class F>
void apply(T* x, int64_t n, const F& f) {
    for (int64_t i = 0; i < n; i += LANES<T>) store(x + i, f(load(x + i, n - i)), n - i);
}

}  // namespace elman
