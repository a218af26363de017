import { subnetMap } from "../../../model/small-maps/subnet.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(subnetMap);
