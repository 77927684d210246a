import { type Anvil, type AnvilOptions, startAnvil } from "./anvil.ts";

/*
 * A chain whose contracts only answer: constants, nonsense, or nothing. They stand at fixed addresses and depend on
 * nothing, so that what the lens makes of them can be told word by word.
 */

/** Where each contract of {@link source} stands. */
export const places = {
  Names: at("1000"),
  Rounds: at("1001"),
  Bonding: at("1002"),
  Broker: at("1003"),
  Registry: at("1004"),
  Mint: at("1005"),
  Token: at("1006"),
} as const;

/** Stands nowhere until a test puts it somewhere. */
export type LensStub =
  keyof typeof places | "OldBonding" | "Arb" | "Burner" | "Short" | "BigPool" | "BrokenPool";

export type LensChain = AsyncDisposable & {
  readonly anvil: Anvil;
  /** Replaces what stands at an address; null: nothing does any more. */
  put(address: `0x${string}`, stub: LensStub | null): Promise<void>;
  mine(blocks: number): Promise<void>;
};

/** Starts it with every contract at its place, and half of a round of 100 blocks behind it. */
export async function startLensChain(options: AnvilOptions = {}): Promise<LensChain> {
  const codes = await stubs();
  const anvil = await startAnvil(options);
  const put = async (address: `0x${string}`, stub: LensStub | null) => {
    await anvil.rpc("anvil_setCode", address, stub === null ? "0x" : `0x${codes[stub]}`);
  };
  const mine = async (blocks: number) => {
    await anvil.rpc("anvil_mine", `0x${blocks.toString(16)}`);
  };
  for (const stub of ["Names", "Rounds", "Bonding", "Broker", "Registry", "Mint", "Token"] as const) {
    await put(places[stub], stub);
  }
  await mine(150);
  return { anvil, put, mine, [Symbol.asyncDispose]: () => anvil[Symbol.asyncDispose]() };
}

function at(digits: string): `0x${string}` {
  return `0x${digits.padStart(40, "0")}`;
}

let compiled: Promise<Readonly<Record<LensStub, string>>> | null = null;

/** Run-time code by name. */
function stubs(): Promise<Readonly<Record<LensStub, string>>> {
  compiled ??= compile();
  return compiled;
}

async function compile(): Promise<Readonly<Record<LensStub, string>>> {
  // Loaded only when needed: the compiler is 10 MB of JavaScript.
  const { default: solc } = await import("solc");
  const outputSelection = { "*": { "*": ["evm.deployedBytecode.object"] } };
  const input = {
    language: "Solidity",
    sources: { stubs: { content: source } },
    settings: { outputSelection },
  };
  const output: {
    readonly errors?: readonly { readonly severity: string; readonly formattedMessage: string }[];
    readonly contracts?: {
      readonly stubs: Record<string, { evm: { deployedBytecode: { object: string } } }>;
    };
  } = JSON.parse(solc.compile(JSON.stringify(input)));
  const errors = (output.errors ?? []).filter((error) => error.severity === "error");
  if (errors.length > 0) throw new Error(errors.map((error) => error.formattedMessage).join("\n"));
  const entries = Object.entries(output.contracts?.stubs ?? {});
  const codes = Object.fromEntries(entries.map(([name, { evm }]) => [name, evm.deployedBytecode.object]));
  return codes as Record<LensStub, string>;
}

const source = `
// SPDX-License-Identifier: MIT
pragma solidity ^0.8.30;

contract Names {
    function getContract(bytes32 id) external pure returns (address) {
        string[6] memory names =
            ["RoundsManager", "BondingManager", "TicketBroker", "ServiceRegistry", "Minter", "LivepeerToken"];
        for (uint160 index = 0; index < 6; ++index) {
            if (id == keccak256(bytes(names[index]))) return address(0x1001 + index);
        }
        return address(0);
    }
    function paused() external pure returns (bool) { return true; }
}

contract Rounds {
    function currentRound() public view returns (uint256) { return block.number / 100; }
    function lastInitializedRound() public view returns (uint256) { return currentRound(); }
    function currentRoundStartBlock() external view returns (uint256) { return currentRound() * 100; }
    function roundLength() external pure returns (uint256) { return 100; }
    function currentRoundLocked() external view returns (bool) { return block.number % 100 >= 90; }
    function blockHashForRound(uint256 round) external pure returns (bytes32) { return keccak256(abi.encode(round)); }
}

contract OldBonding {
    function getTranscoderPoolSize() external pure returns (uint256) { return 7; }
    function isActiveTranscoder(address account) external pure returns (bool) { return account == address(0xaa); }
    function transcoderStatus(address account) external pure returns (uint8) {
        return account == address(0xaa) || account == address(0xbb) ? 1 : 0;
    }
    /// 0xaa had a change of stake in round 1, 0xbb in a round long ago.
    function getTranscoder(address account) external pure
        returns (uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256, uint256)
    {
        return (11, 22, 33, account == address(0xbb) ? 0 : 1, 55, type(uint256).max, 77, 88, 99, 110);
    }
    function transcoderTotalStake(address) external pure returns (uint256) { return 301_000 ether; }
    function getTranscoderEarningsPoolForRound(address, uint256 round) external pure
        returns (uint256, uint256, uint256, uint256, uint256)
    {
        return (round == 1 ? 300_000 ether : round == 0 ? 8_000_000 ether : 1 ether, 0, 0, 0, 0);
    }
    function currentRoundTotalActiveStake() external pure virtual returns (uint256) { return 24_000_000 ether; }
}

contract Bonding is OldBonding {
    function transcoderToRewardCaller(address) external pure returns (address) { return address(0xCa11e4); }
}

contract Broker {
    function ticketValidityPeriod() external pure returns (uint256) { return 2; }
}

contract Registry { function getServiceURI(address) external pure returns (string memory) { return ""; } }
contract Token { function totalSupply() external pure returns (uint256) { return 1; } }

contract Mint {
    /// 50,000,000 LPT and an inflation of 561,000 parts per billion.
    function currentMintableTokens() external pure returns (uint256) { return 28_050 ether; }
}

contract Arb {
    function arbBlockNumber() external pure returns (uint256) { return 300_000_000; }
    function getPricesInWei() external pure returns (uint256, uint256, uint256, uint256, uint256, uint256) {
        return (1, 2, 3, 4, 5, 10_000_000);
    }
}

contract Burner { fallback() external { while (true) {} } }
contract Short { fallback() external { assembly { return(0, 31) } } }

/// As many members as its balance has wei: 1, 2, 3 and so on, with a stake of 10,000 less that.
contract BigPool {
    function getFirstTranscoderInPool() external view returns (uint256) { return address(this).balance == 0 ? 0 : 1; }
    function getNextTranscoderInPool(address member) external view returns (uint256) {
        return uint160(member) < address(this).balance ? uint256(uint160(member)) + 1 : 0;
    }
    function transcoderTotalStake(address member) external pure returns (uint256) { return 10_000 - uint160(member); }
}

/// A circle of two.
contract BrokenPool {
    function getFirstTranscoderInPool() external pure returns (uint256) { return 1; }
    function getNextTranscoderInPool(address member) external pure returns (uint256) { return 3 - uint160(member); }
    function transcoderTotalStake(address) external pure returns (uint256) { return 1; }
}
`;
