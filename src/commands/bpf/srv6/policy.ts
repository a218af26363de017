import { srv6PolicyMap } from "../../../model/small-maps/srv6.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(srv6PolicyMap, ["bpf:srv6:policy:list"]);
