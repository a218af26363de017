import { natRetriesMap } from "../../../../model/small-maps/nat-retries.js";
import { smallMapCommand } from "../../../small-map-command.js";

export default smallMapCommand(natRetriesMap);
