import { bandwidthMap } from "../../../model/small-maps/bandwidth.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(bandwidthMap);
