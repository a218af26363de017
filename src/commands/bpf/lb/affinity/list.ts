import { affinityMap } from "../../../../model/small-maps/lb-affinity.js";
import { smallMapCommand } from "../../../small-map-command.js";

export default smallMapCommand(affinityMap);
