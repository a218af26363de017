import { it } from "vitest";
import { DeviceKeeper } from "../../src/agent/devices/device-keeper.js";
import { StatusBoard } from "../../src/agent/status/status-board.js";
import { defaultAgentConfig } from "../../src/model/agent-config.js";
import type { UnacceleratedDevice } from "../../src/model/datapath-port.js";
import { silentLog, testNode } from "../support/agent-fixture.js";
import { until } from "./agent-node.js";

it("a device that refuses XDP is asked again until it takes it, though nothing tells that it changed", async () => {
  const refusal: UnacceleratedDevice = { device: "eth0", reason: "it has too few queues" };
  const answers = [[refusal], [refusal]];
  let asked = 0;
  const datapath = { writeDevices: async () => answers[asked++] ?? [], writeNonMasqueraded: () => {} };
  const config = { ...defaultAgentConfig(), lbAcceleration: "native" as const };
  const status = new StatusBoard(["devices"]);
  await using keeper = new DeviceKeeper({ datapath, config, node: testNode, status, log: silentLog, refusedMs: 1 });
  await keeper.start();
  await until("a third question", () => asked >= 3);
});
