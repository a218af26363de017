import { l2ResponderMap } from "../../../model/small-maps/l2-responder.js";
import { smallMapCommand } from "../../small-map-command.js";

export default smallMapCommand(l2ResponderMap);
