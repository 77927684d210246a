// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/*
 * Contracts that are never deployed. An `eth_call` without a receiver runs their constructors on the present state,
 * and what a constructor returns is the answer: everything that a node wants to know, at one block, in one call.
 *
 * The answer is a row of words. A function that is missing, reverts, burns its gas or answers too little costs its own
 * words and nothing else; a bit for each word says whether it could be read. The names of the words, in order, stand in
 * `src/chain/lens.ts`.
 */

// More than any read of ours takes. A callee that burns all it gets must leave enough for the others.
uint256 constant CALL_GAS = 1_500_000;

/// One word of an answer that must have `length` words or more. Accounts without code answer none.
function readWord(address to, bytes memory data, uint256 index, uint256 length)
    view
    returns (bool isRead, uint256 value)
{
    assembly ("memory-safe") {
        let free := mload(0x40)
        // Only as much is copied as is asked for, however much is answered.
        isRead := staticcall(CALL_GAS, to, add(data, 0x20), mload(data), free, mul(length, 0x20))
        isRead := and(isRead, iszero(lt(returndatasize(), mul(length, 0x20))))
        if isRead { value := mload(add(free, mul(index, 0x20))) }
    }
}

/// The words of an answer, and which of them could be read.
struct Answer {
    uint256[] words;
    uint256 count;
    uint256 readable;
}

/// Everything that is polled. The first word says which of the following could be read.
contract Lens {
    address private constant ARB_SYS = address(0x64);
    address private constant ARB_GAS_INFO = address(0x6c);
    uint256 private constant FIXED_WORDS = 33;
    /// Minter counts in parts per billion.
    uint256 private constant PERC_DIVISOR = 1_000_000_000;

    constructor(address controller, address recipient, address[] memory accounts) {
        unchecked {
            Answer memory answer;
            answer.words = new uint256[](1 + FIXED_WORDS + accounts.length);
            putBlock(answer);
            (bool isRead, uint256 value) = readWord(controller, abi.encodeWithSignature("paused()"), 0, 1);
            put(answer, isRead, value);
            (address rounds, address bonding, address broker, address minter) = putContracts(answer, controller);
            uint256 round = putRounds(answer, rounds);
            putWord(answer, bonding, abi.encodeWithSignature("getTranscoderPoolSize()"));
            putWord(answer, broker, abi.encodeWithSignature("ticketValidityPeriod()"));
            putStanding(answer, bonding, recipient);
            (isRead, value) = rewardForecast(bonding, minter, recipient, round);
            put(answer, isRead, value);
            // Before LIP-118 the contract does not know it.
            putWord(answer, bonding, abi.encodeWithSignature("transcoderToRewardCaller(address)", recipient));
            for (uint256 index = 0; index < accounts.length; ++index) {
                answer.words[++answer.count] = accounts[index].balance;
            }
            uint256[] memory words = answer.words;
            words[0] = answer.readable;
            assembly ("memory-safe") {
                return(add(words, 0x20), mul(mload(words), 0x20))
            }
        }
    }

    /// Bit `n` of the first word stands for the word after next of `n`: word 1 has bit 0.
    function put(Answer memory answer, bool isRead, uint256 value) private pure {
        unchecked {
            if (isRead) answer.readable |= 1 << answer.count;
            answer.words[++answer.count] = value;
        }
    }

    function putWord(Answer memory answer, address to, bytes memory data) private view {
        (bool isRead, uint256 value) = readWord(to, data, 0, 1);
        put(answer, isRead, value);
    }

    function putBlock(Answer memory answer) private view {
        put(answer, true, block.chainid);
        put(answer, true, block.number);
        // Readable on Arbitrum only; elsewhere it is the block's number.
        (bool isRead, uint256 value) = readWord(ARB_SYS, abi.encodeWithSignature("arbBlockNumber()"), 0, 1);
        put(answer, isRead, isRead ? value : block.number);
        put(answer, true, block.timestamp);
        // Nodes lower it to 0 in calls that offer no fee; Arbitrum's own contract knows it even then.
        value = block.basefee;
        isRead = value > 0;
        if (!isRead) (isRead, value) = readWord(ARB_GAS_INFO, abi.encodeWithSignature("getPricesInWei()"), 5, 6);
        put(answer, isRead, value);
    }

    /// Addresses by name, zero where there is none; then a word whose bits say who has code, the Controller first.
    function putContracts(Answer memory answer, address controller)
        private
        view
        returns (address rounds, address bonding, address broker, address minter)
    {
        unchecked {
            uint256 first = answer.count + 1;
            putAddress(answer, controller, "RoundsManager");
            putAddress(answer, controller, "BondingManager");
            putAddress(answer, controller, "TicketBroker");
            putAddress(answer, controller, "ServiceRegistry");
            putAddress(answer, controller, "Minter");
            putAddress(answer, controller, "LivepeerToken");
            putAddress(answer, controller, "LivepeerGovernor");
            uint256 coded = controller.code.length > 0 ? 1 : 0;
            for (uint256 index = 0; index < 7; ++index) {
                if (address(uint160(answer.words[first + index])).code.length > 0) coded |= 2 << index;
            }
            put(answer, true, coded);
            rounds = address(uint160(answer.words[first]));
            bonding = address(uint160(answer.words[first + 1]));
            broker = address(uint160(answer.words[first + 2]));
            minter = address(uint160(answer.words[first + 4]));
        }
    }

    function putAddress(Answer memory answer, address controller, string memory name) private view {
        putWord(answer, controller, abi.encodeWithSignature("getContract(bytes32)", keccak256(bytes(name))));
    }

    function putRounds(Answer memory answer, address rounds) private view returns (uint256 round) {
        unchecked {
            putWord(answer, rounds, abi.encodeWithSignature("currentRound()"));
            round = answer.words[answer.count];
            putWord(answer, rounds, abi.encodeWithSignature("lastInitializedRound()"));
            uint256 last = answer.words[answer.count];
            putWord(answer, rounds, abi.encodeWithSignature("currentRoundStartBlock()"));
            putWord(answer, rounds, abi.encodeWithSignature("roundLength()"));
            putWord(answer, rounds, abi.encodeWithSignature("currentRoundLocked()"));
            putWord(answer, rounds, abi.encodeWithSignature("blockHashForRound(uint256)", last));
            uint256 previous = last == 0 ? 0 : last - 1;
            putWord(answer, rounds, abi.encodeWithSignature("blockHashForRound(uint256)", previous));
        }
    }

    function putStanding(Answer memory answer, address bonding, address recipient) private view {
        putWord(answer, bonding, abi.encodeWithSignature("isActiveTranscoder(address)", recipient));
        putWord(answer, bonding, abi.encodeWithSignature("transcoderStatus(address)", recipient));
        bytes memory data = abi.encodeWithSignature("getTranscoder(address)", recipient);
        (bool isRead, uint256 value) = readWord(bonding, data, 0, 10);
        put(answer, isRead, value);
        (isRead, value) = readWord(bonding, data, 4, 10);
        put(answer, isRead, value);
        (isRead, value) = readWord(bonding, data, 5, 10);
        put(answer, isRead, value);
        putWord(answer, bonding, abi.encodeWithSignature("transcoderTotalStake(address)", recipient));
        (isRead, value) = readWord(bonding, data, 1, 10);
        put(answer, isRead, value);
        (isRead, value) = readWord(bonding, data, 2, 10);
        put(answer, isRead, value);
    }

    /// What `reward` would mint, treasury's part included: BondingManager's choice of stake, and Minter's arithmetic.
    function rewardForecast(address bonding, address minter, address recipient, uint256 round)
        private
        view
        returns (bool, uint256)
    {
        unchecked {
            (bool isRead, uint256 updateRound) =
                readWord(bonding, abi.encodeWithSignature("getTranscoder(address)", recipient), 3, 10);
            if (!isRead) return (false, 0);
            // Without a change of stake the pool of this round is still empty: the contract takes the last one's.
            uint256 stake;
            (isRead, stake) = readWord(
                bonding,
                abi.encodeWithSignature(
                    "getTranscoderEarningsPoolForRound(address,uint256)",
                    recipient,
                    updateRound < round ? updateRound : round
                ),
                0,
                1
            );
            if (!isRead) return (false, 0);
            uint256 total;
            (isRead, total) = readWord(bonding, abi.encodeWithSignature("currentRoundTotalActiveStake()"), 0, 1);
            if (!isRead) return (false, 0);
            uint256 mintable;
            (isRead, mintable) = readWord(minter, abi.encodeWithSignature("currentMintableTokens()"), 0, 1);
            if (!isRead || total == 0) return (isRead, 0);
            return (true, (mintable * ((stake * PERC_DIVISOR) / total)) / PERC_DIVISOR);
        }
    }
}

/// The pool of orchestrators in its order, a page at a time: 160 bits of account and 96 bits of stake a word.
contract PoolLens {
    /// A page must fit into what a chain takes for the code of a contract, which is 24,576 bytes.
    uint256 private constant MEMBERS_MAX = 700;

    /// `first`: where the page begins; zero for the head of the pool. The first word is where the next page begins.
    constructor(address bonding, address first) {
        unchecked {
            uint256[] memory words = new uint256[](1 + MEMBERS_MAX);
            uint256 member = uint160(first);
            bool isRead = true;
            if (member == 0) {
                (isRead, member) = readWord(bonding, abi.encodeWithSignature("getFirstTranscoderInPool()"), 0, 1);
            }
            uint256 count = 0;
            uint256 free;
            while (isRead && member != 0 && count < MEMBERS_MAX) {
                // What earlier reads left in memory is not needed: without this, memory would cost gas by the square.
                assembly ("memory-safe") {
                    free := mload(0x40)
                }
                address account = address(uint160(member));
                uint256 stake;
                (isRead, stake) =
                    readWord(bonding, abi.encodeWithSignature("transcoderTotalStake(address)", account), 0, 1);
                isRead = isRead && stake >> 96 == 0;
                if (!isRead) break;
                words[++count] = (member << 96) | stake;
                (isRead, member) =
                    readWord(bonding, abi.encodeWithSignature("getNextTranscoderInPool(address)", account), 0, 1);
                assembly ("memory-safe") {
                    mstore(0x40, free)
                }
            }
            // Half a pool is none: its hints would be wrong.
            require(isRead, "the pool cannot be read");
            words[0] = member;
            assembly ("memory-safe") {
                return(add(words, 0x20), mul(add(count, 1), 0x20))
            }
        }
    }
}
