import { srv6VrfMap } from "../../../model/small-maps/srv6.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(srv6VrfMap, ["bpf:srv6:vrf:list"]);
