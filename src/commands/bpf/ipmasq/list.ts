import { ipmasqMap } from "../../../model/small-maps/ipmasq.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(ipmasqMap);
