import { srv6StateMap } from "../../../model/small-maps/srv6.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(srv6StateMap, ["bpf:srv6:state:list"]);
