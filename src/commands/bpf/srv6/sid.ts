import { srv6SidMap } from "../../../model/small-maps/srv6.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(srv6SidMap, ["bpf:srv6:sid:list"]);
