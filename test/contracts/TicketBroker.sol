// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

import {Controller} from "./Controller.sol";
import {Managed} from "./Managed.sol";

/// Deposits, reserves and winning tickets: the rules, their order and their words as Livepeer has them, so that a
/// ticket which pays here would pay there. The Minter keeps all wei; BondingManager counts the fees.
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
    event ParameterUpdate(string param);

    /// The order of secp256k1, halved: signatures with a larger s have a twin.
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    uint256 public unlockPeriod;
    uint256 public ticketValidityPeriod;
    mapping(bytes32 => bool) public usedTickets;
    mapping(address => Sender) private senders;
    mapping(address => Reserve) private reserves;

    constructor(Controller controller_) Managed(controller_) {}

    function setUnlockPeriod(uint256 period) external {
        unlockPeriod = period;
        emit ParameterUpdate("unlockPeriod");
    }

    function setTicketValidityPeriod(uint256 period) external {
        require(period > 0, "ticketValidityPeriod must be greater than 0");
        ticketValidityPeriod = period;
        emit ParameterUpdate("ticketValidityPeriod");
    }

    function fundDeposit() external payable whenSystemNotPaused {
        addDeposit(msg.sender, msg.value);
        hand(msg.value);
    }

    function fundReserve() external payable whenSystemNotPaused {
        addReserve(msg.sender, msg.value);
        hand(msg.value);
    }

    function fundDepositAndReserve(uint256 deposit, uint256 reserve) external payable {
        fundDepositAndReserveFor(msg.sender, deposit, reserve);
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
        cancelUnlockOf(msg.sender);
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
        minter().trustedWithdrawETH(msg.sender, deposit + reserve);
        emit Withdrawal(msg.sender, deposit, reserve);
    }

    /// Each ticket is a call of its own, and one that fails leaves no trace but a missing log.
    function batchRedeemWinningTickets(
        Ticket[] memory tickets,
        bytes[] memory sigs,
        uint256[] memory recipientRands
    ) external whenSystemNotPaused whenRoundInitialized {
        for (uint256 at = 0; at < tickets.length; at++) {
            bytes memory data =
                abi.encodeCall(this.redeemWinningTicket, (tickets[at], sigs[at], recipientRands[at]));
            // Its failure is the point: the others go on.
            (bool done,) = address(this).call(data);
            done;
        }
    }

    function redeemWinningTicket(Ticket memory ticket, bytes memory sig, uint256 recipientRand)
        external
        whenSystemNotPaused
        whenRoundInitialized
    {
        bytes32 ticketHash = getTicketHash(ticket);
        uint256 creationRound = requireWinner(ticket, ticketHash, sig, recipientRand);
        Sender storage sender = senders[ticket.sender];
        uint256 withdrawRound = sender.withdrawRound;
        require(withdrawRound == 0 || rounds().currentRound() < withdrawRound, "sender is unlocked");
        require(sender.deposit > 0 || remaining(ticket.sender) > 0, "sender deposit and reserve are zero");

        usedTickets[ticketHash] = true;
        uint256 paid = takeFunds(ticket, sender);
        if (paid > 0) {
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

    function isUnlockInProgress(address holder) external view returns (bool) {
        return senders[holder].withdrawRound > 0;
    }

    function getSenderInfo(address holder)
        external
        view
        returns (Sender memory sender, ReserveInfo memory reserve)
    {
        sender = senders[holder];
        reserve = getReserveInfo(holder);
    }

    function getReserveInfo(address holder) public view returns (ReserveInfo memory) {
        return ReserveInfo(remaining(holder), reserves[holder].claimedForRound[rounds().currentRound()]);
    }

    function claimedReserve(address holder, address claimant) external view returns (uint256) {
        return reserves[holder].claimedByAddress[rounds().currentRound()][claimant];
    }

    /// Funding by the sender itself ends a running unlock.
    function fundDepositAndReserveFor(address holder, uint256 deposit, uint256 reserve)
        public
        payable
        whenSystemNotPaused
    {
        require(
            msg.value == deposit + reserve,
            "msg.value does not equal sum of deposit amount and reserve amount"
        );
        addDeposit(holder, deposit);
        addReserve(holder, reserve);
        hand(msg.value);
    }

    function claimableReserve(address holder, address claimant) public view returns (uint256) {
        if (!bonding().isActiveTranscoder(claimant)) return 0;
        uint256 poolSize = bonding().getTranscoderPoolSize();
        if (poolSize == 0) return 0;
        uint256 round = rounds().currentRound();
        Reserve storage reserve = reserves[holder];
        uint256 share = (reserve.funds + reserve.claimedForRound[round]) / poolSize;
        return share - reserve.claimedByAddress[round][claimant];
    }

    function getTicketHash(Ticket memory ticket) public pure returns (bytes32) {
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

    function requireWinner(Ticket memory ticket, bytes32 hash, bytes memory sig, uint256 rand)
        private
        view
        returns (uint256)
    {
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
        return creationRound;
    }

    function recoverSigner(bytes32 hash, bytes memory sig) private pure returns (address) {
        require(sig.length == 65, "INVALID_SIGNATURE_LENGTH");
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly {
            r := mload(add(sig, 32))
            s := mload(add(sig, 64))
            v := byte(0, mload(add(sig, 96)))
        }
        require(v == 27 || v == 28, "ECDSA: invalid signature");
        require(uint256(s) <= HALF_ORDER, "ECDSA: invalid signature 's' value");
        bytes32 digest = keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", hash));
        address signer = ecrecover(digest, v, r, s);
        require(signer != address(0), "ECDSA: invalid signature");
        return signer;
    }

    /// From the deposit first, then from the recipient's share of the reserve. May pay less than the face value.
    function takeFunds(Ticket memory ticket, Sender storage sender) private returns (uint256) {
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

    function addDeposit(address holder, uint256 amount) private {
        cancelUnlockOf(holder);
        senders[holder].deposit += amount;
        emit DepositFunded(holder, amount);
    }

    function addReserve(address holder, uint256 amount) private {
        cancelUnlockOf(holder);
        reserves[holder].funds += amount;
        emit ReserveFunded(holder, amount);
    }

    function cancelUnlockOf(address holder) private {
        if (holder != msg.sender || senders[holder].withdrawRound == 0) return;
        senders[holder].withdrawRound = 0;
        emit UnlockCancelled(holder);
    }

    function hand(uint256 amount) private {
        minter().depositETH{value: amount}();
    }

    function remaining(address holder) private view returns (uint256) {
        return reserves[holder].funds;
    }
}
