// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

/// Accounts in descending order of their stake. A hint that is right saves the search; one that is wrong costs gas.
library SortedPool {
    struct Entry {
        uint256 stake;
        address next;
        address previous;
    }

    struct Pool {
        address head;
        address tail;
        uint256 maxSize;
        uint128 size;
        /// Tests may claim another size: 0 for none, else the claimed size plus one.
        uint128 claimedSize;
        mapping(address => Entry) entries;
    }

    function contains(Pool storage self, address account) internal view returns (bool) {
        return self.entries[account].stake > 0;
    }

    function isFull(Pool storage self) internal view returns (bool) {
        return self.size == self.maxSize;
    }

    function insert(Pool storage self, address account, uint256 stake, address previous, address next) internal {
        if (!fits(self, stake, previous, next)) (previous, next) = search(self, stake, previous, next);
        self.entries[account] = Entry(stake, next, previous);
        if (previous == address(0)) self.head = account;
        else self.entries[previous].next = account;
        if (next == address(0)) self.tail = account;
        else self.entries[next].previous = account;
        self.size += 1;
    }

    function remove(Pool storage self, address account) internal {
        Entry memory entry = self.entries[account];
        if (entry.previous == address(0)) self.head = entry.next;
        else self.entries[entry.previous].next = entry.next;
        if (entry.next == address(0)) self.tail = entry.previous;
        else self.entries[entry.next].previous = entry.previous;
        delete self.entries[account];
        self.size -= 1;
    }

    function update(Pool storage self, address account, uint256 stake, address previous, address next) internal {
        remove(self, account);
        if (stake > 0) insert(self, account, stake, previous, next);
    }

    function fits(Pool storage self, uint256 stake, address previous, address next) private view returns (bool) {
        if (previous == address(0) && next == address(0)) return self.size == 0;
        if (previous == address(0)) return self.head == next && stake >= self.entries[next].stake;
        if (next == address(0)) return self.tail == previous && stake <= self.entries[previous].stake;
        return self.entries[previous].next == next
            && self.entries[previous].stake >= stake
            && stake >= self.entries[next].stake;
    }

    function search(Pool storage self, uint256 stake, address previous, address next)
        private
        view
        returns (address, address)
    {
        if (previous != address(0) && contains(self, previous) && self.entries[previous].stake >= stake) {
            return down(self, stake, previous);
        }
        if (next != address(0) && contains(self, next) && self.entries[next].stake <= stake) {
            return up(self, stake, next);
        }
        if (self.size == 0 || stake >= self.entries[self.head].stake) return (address(0), self.head);
        return down(self, stake, self.head);
    }

    function down(Pool storage self, uint256 stake, address previous) private view returns (address, address) {
        address next = self.entries[previous].next;
        while (next != address(0) && self.entries[next].stake > stake) {
            previous = next;
            next = self.entries[next].next;
        }
        return (previous, next);
    }

    function up(Pool storage self, uint256 stake, address next) private view returns (address, address) {
        address previous = self.entries[next].previous;
        while (previous != address(0) && self.entries[previous].stake < stake) {
            next = previous;
            previous = self.entries[previous].previous;
        }
        return (previous, next);
    }
}
