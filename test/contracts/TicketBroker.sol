// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {BondingManager} from "./BondingManager.sol";
import {Controller, Managed} from "./Controller.sol";
import {RoundsManager} from "./RoundsManager.sol";

/// Deposits, reserves and winning tickets: the rules, their order and their words as Livepeer has them, so that a
/// ticket which pays here would pay there. It keeps all wei itself; BondingManager only counts the fees.
contract TicketBroker is Managed {
    struct Sender {
        uint256 deposit;
        uint256 withdrawRound;
    }

    struct ReserveInfo {
        uint256 fundsRemaining;
        uint256 claimedInCurrentRound;
    }

    struct Reserve {
        uint256 funds;
        mapping(uint256 => uint256) claimedForRound;
        mapping(uint256 => mapping(address => uint256)) claimedByAddress;
    }

    struct Ticket {
        address recipient;
        address sender;
        uint256 faceValue;
        uint256 winProb;
        uint256 senderNonce;
        bytes32 recipientRandHash;
        bytes auxData;
    }

    event DepositFunded(address indexed sender, uint256 amount);
    event ReserveFunded(address indexed reserveHolder, uint256 amount);
    event ReserveClaimed(address indexed reserveHolder, address claimant, uint256 amount);
    event WinningTicketTransfer(address indexed sender, address indexed recipient, uint256 amount);
    event WinningTicketRedeemed(
        address indexed sender,
        address indexed recipient,
        uint256 faceValue,
        uint256 winProb,
        uint256 senderNonce,
        uint256 recipientRand,
        bytes auxData
    );
    event Unlock(address indexed sender, uint256 startRound, uint256 endRound);
    event UnlockCancelled(address indexed sender);
    event Withdrawal(address indexed sender, uint256 deposit, uint256 reserve);

    /// The order of secp256k1, halved: signatures with a larger s have a twin.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    uint256 public immutable unlockPeriod;
    uint256 public immutable ticketValidityPeriod;
    mapping(bytes32 => bool) public usedTickets;
    mapping(address => Sender) private senders;
    mapping(address => Reserve) private reserves;

    constructor(Controller controller_, uint256 unlockPeriod_, uint256 validity_) Managed(controller_) {
        unlockPeriod = unlockPeriod_;
        ticketValidityPeriod = validity_;
    }

    function fundDeposit() external payable whenSystemNotPaused {
        cancelRunningUnlock();
        addDeposit(msg.value);
    }

    function fundReserve() external payable whenSystemNotPaused {
        cancelRunningUnlock();
        addReserve(msg.value);
    }

    function fundDepositAndReserve(uint256 deposit, uint256 reserve) external payable whenSystemNotPaused {
        require(
            msg.value == deposit + reserve,
            "msg.value does not equal sum of deposit amount and reserve amount"
        );
        cancelRunningUnlock();
        addDeposit(deposit);
        addReserve(reserve);
    }

    function unlock() external whenSystemNotPaused {
        Sender storage sender = senders[msg.sender];
        require(sender.deposit > 0 || remaining(msg.sender) > 0, "sender deposit and reserve are zero");
        require(sender.withdrawRound == 0, "unlock already initiated");
        uint256 round = rounds().currentRound();
        sender.withdrawRound = round + unlockPeriod;
        emit Unlock(msg.sender, round, sender.withdrawRound);
    }

    function cancelUnlock() external whenSystemNotPaused {
        require(senders[msg.sender].withdrawRound > 0, "no unlock request in progress");
        cancelRunningUnlock();
    }

    /// Leaves `withdrawRound` set: who took everything stays unlocked until it funds again.
    function withdraw() external whenSystemNotPaused {
        Sender storage sender = senders[msg.sender];
        uint256 deposit = sender.deposit;
        uint256 reserve = remaining(msg.sender);
        require(deposit > 0 || reserve > 0, "sender deposit and reserve are zero");
        require(sender.withdrawRound > 0, "no unlock request in progress");
        require(rounds().currentRound() >= sender.withdrawRound, "account is locked");
        sender.deposit = 0;
        reserves[msg.sender].funds = 0;
        payable(msg.sender).transfer(deposit + reserve);
        emit Withdrawal(msg.sender, deposit, reserve);
    }

    function redeemWinningTicket(Ticket calldata ticket, bytes calldata sig, uint256 recipientRand)
        external
        whenSystemNotPaused
    {
        require(rounds().currentRoundInitialized(), "current round is not initialized");
        bytes32 ticketHash = getTicketHash(ticket);
        requireWinner(ticket, ticketHash, sig, recipientRand);
        Sender storage sender = senders[ticket.sender];
        uint256 withdrawRound = sender.withdrawRound;
        require(withdrawRound == 0 || rounds().currentRound() < withdrawRound, "sender is unlocked");
        require(sender.deposit > 0 || remaining(ticket.sender) > 0, "sender deposit and reserve are zero");

        usedTickets[ticketHash] = true;
        uint256 paid = takeFunds(ticket, sender);
        if (paid > 0) {
            uint256 creationRound = uint256(bytes32(ticket.auxData[:32]));
            bonding().updateTranscoderWithFees(ticket.recipient, paid, creationRound);
            emit WinningTicketTransfer(ticket.sender, ticket.recipient, paid);
        }
        emit WinningTicketRedeemed(
            ticket.sender,
            ticket.recipient,
            ticket.faceValue,
            ticket.winProb,
            ticket.senderNonce,
            recipientRand,
            ticket.auxData
        );
    }

    function getSenderInfo(address holder)
        external
        view
        returns (Sender memory sender, ReserveInfo memory reserve)
    {
        sender = senders[holder];
        reserve = ReserveInfo(remaining(holder), reserves[holder].claimedForRound[rounds().currentRound()]);
    }

    function claimedReserve(address holder, address claimant) external view returns (uint256) {
        return reserves[holder].claimedByAddress[rounds().currentRound()][claimant];
    }

    function claimableReserve(address holder, address claimant) public view returns (uint256) {
        uint256 poolSize = bonding().getTranscoderPoolSize();
        if (!bonding().isActiveTranscoder(claimant) || poolSize == 0) return 0;
        uint256 round = rounds().currentRound();
        Reserve storage reserve = reserves[holder];
        uint256 share = (reserve.funds + reserve.claimedForRound[round]) / poolSize;
        return share - reserve.claimedByAddress[round][claimant];
    }

    function getTicketHash(Ticket calldata ticket) public pure returns (bytes32) {
        return keccak256(
            abi.encodePacked(
                ticket.recipient,
                ticket.sender,
                ticket.faceValue,
                ticket.winProb,
                ticket.senderNonce,
                ticket.recipientRandHash,
                ticket.auxData
            )
        );
    }

    function requireWinner(Ticket calldata ticket, bytes32 hash, bytes calldata sig, uint256 rand) private view {
        require(ticket.recipient != address(0), "ticket recipient is null address");
        require(ticket.sender != address(0), "ticket sender is null address");
        require(ticket.auxData.length == 64, "invalid length for ticket auxData: must be 64 bytes");
        (uint256 creationRound, bytes32 creationHash) = abi.decode(ticket.auxData, (uint256, bytes32));
        bytes32 roundHash = rounds().blockHashForRound(creationRound);
        require(roundHash != bytes32(0), "ticket creationRound does not have a block hash");
        require(roundHash == creationHash, "ticket creationRoundBlockHash invalid for creationRound");
        require(creationRound + ticketValidityPeriod > rounds().currentRound(), "ticket is expired");
        require(
            keccak256(abi.encodePacked(rand)) == ticket.recipientRandHash,
            "recipientRand does not match recipientRandHash"
        );
        require(!usedTickets[hash], "ticket is used");
        require(recoverSigner(hash, sig) == ticket.sender, "invalid signature over ticket hash");
        require(uint256(keccak256(abi.encodePacked(sig, rand))) < ticket.winProb, "ticket did not win");
    }

    function recoverSigner(bytes32 hash, bytes calldata sig) private pure returns (address) {
        require(sig.length == 65, "INVALID_SIGNATURE_LENGTH");
        uint8 v = uint8(sig[64]);
        require(v == 27 || v == 28, "ECDSA: invalid signature");
        require(uint256(bytes32(sig[32:64])) <= HALF_ORDER, "ECDSA: invalid signature 's' value");
        bytes32 digest = keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", hash));
        address signer = ecrecover(digest, v, bytes32(sig[:32]), bytes32(sig[32:64]));
        require(signer != address(0), "ECDSA: invalid signature");
        return signer;
    }

    /// From the deposit first, then from the recipient's share of the reserve. May pay less than the face value.
    function takeFunds(Ticket calldata ticket, Sender storage sender) private returns (uint256) {
        if (ticket.faceValue <= sender.deposit) {
            sender.deposit -= ticket.faceValue;
            return ticket.faceValue;
        }
        uint256 deposit = sender.deposit;
        uint256 claimable = claimableReserve(ticket.sender, ticket.recipient);
        uint256 missing = ticket.faceValue - deposit;
        uint256 claimed = missing < claimable ? missing : claimable;
        sender.deposit = 0;
        if (claimed > 0) {
            uint256 round = rounds().currentRound();
            Reserve storage reserve = reserves[ticket.sender];
            reserve.funds -= claimed;
            reserve.claimedForRound[round] += claimed;
            reserve.claimedByAddress[round][ticket.recipient] += claimed;
            emit ReserveClaimed(ticket.sender, ticket.recipient, claimed);
        }
        return deposit + claimed;
    }

    function addDeposit(uint256 amount) private {
        senders[msg.sender].deposit += amount;
        emit DepositFunded(msg.sender, amount);
    }

    function addReserve(uint256 amount) private {
        reserves[msg.sender].funds += amount;
        emit ReserveFunded(msg.sender, amount);
    }

    function cancelRunningUnlock() private {
        if (senders[msg.sender].withdrawRound == 0) return;
        senders[msg.sender].withdrawRound = 0;
        emit UnlockCancelled(msg.sender);
    }

    function remaining(address holder) private view returns (uint256) {
        return reserves[holder].funds;
    }

    function rounds() private view returns (RoundsManager) {
        return RoundsManager(neighbour("RoundsManager"));
    }

    function bonding() private view returns (BondingManager) {
        return BondingManager(neighbour("BondingManager"));
    }
}
