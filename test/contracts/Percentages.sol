// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// The three scales of the protocol. Every division rounds down, the inner one too: a third of the stake gets
/// 333,333,333 parts of 1,000,000,000.
library Percentages {
    uint256 internal constant MILLION = 1_000_000;
    uint256 internal constant BILLION = 1_000_000_000;
    uint256 internal constant E27 = 10 ** 27;

    function partOf(uint256 amount, uint256 numerator, uint256 denominator, uint256 scale)
        internal
        pure
        returns (uint256)
    {
        return (amount * ((numerator * scale) / denominator)) / scale;
    }

    /// With factors of 27 digits.
    function precisePartOf(uint256 amount, uint256 numerator, uint256 denominator)
        internal
        pure
        returns (uint256)
    {
        return partOf(amount, numerator, denominator, E27);
    }
}
