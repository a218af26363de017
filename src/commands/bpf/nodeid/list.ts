import { nodeIdMap } from "../../../model/small-maps/node-id.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(nodeIdMap);
