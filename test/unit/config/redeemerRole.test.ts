import { describe, expect, test } from "bun:test";
import { configOf, mistakesOf } from "./parseSupport.ts";

/** The least that a redeemer needs: no price, no service address. */
const least = ["-redeemer", "-network", "arbitrum-one-mainnet", "-ethUrl", "https://rpc.example/KEY"];
const orchestrator = "0x1111111111111111111111111111111111111111";

describe("the role of a redeemer", () => {
  test("it asks for no price, is there for this machine only, and calls no reward by itself", () => {
    const { config, notices } = configOf({ argv: [...least, "-ethOrchAddr", orchestrator] });
    expect(config.node.role).toBe("redeemer");
    expect(config.listener).toMatchObject({ bind: { host: "127.0.0.1", port: 8935 }, isTls: true });
    expect(config.operator.bind).toEqual({ host: "127.0.0.1", port: 7935 });
    expect(config.chain).toMatchObject({ recipient: orchestrator, redeem: true, reward: "off" });
    expect(notices).toEqual([]);
  });

  test("its port and its rewards are as its flags say", () => {
    const { config } = configOf({ argv: [...least, "-httpAddr", "10.0.0.7:9000", "-reward"] });
    expect(config.listener.bind).toEqual({ host: "10.0.0.7", port: 9000 });
    expect(config.chain?.reward).toBe("on");
  });

  test("without the flag a node is an orchestrator", () => {
    expect(configOf({}).config.node.role).toBe("orchestrator");
  });

  test.each([
    [["-orchestrator"], "-redeemer is a role of its own"],
    [["-transcoder"], "-redeemer is a role of its own"],
    [["-redeem=false"], "-redeemer with -redeem=false has nothing to do"],
    [["-redeemerAddr", "r.example"], "-redeemer and -redeemerAddr exclude each other"],
    [["-network", "offchain"], "-redeemer needs a chain"],
  ])("%p beside it is a mistake", (words, text) => {
    const { mistakes } = mistakesOf({ argv: [...least, ...words] });
    expect(mistakes.map((mistake) => mistake.text)).toContain(text);
  });
});
