import { activityMap } from "../../../../model/small-maps/lb-activity.js";
import { smallMapCommand } from "../../../small-map-command.js";

export default smallMapCommand(activityMap);
