import { multicastGroupMap } from "../../../../model/small-maps/multicast.js";
import { smallMapCommand } from "../../../small-map-command.js";

export default smallMapCommand(multicastGroupMap);
