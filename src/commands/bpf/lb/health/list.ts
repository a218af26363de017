import { healthMap } from "../../../../model/small-maps/lb-health.js";
import { smallMapCommand } from "../../../small-map-command.js";

export default smallMapCommand(healthMap);
